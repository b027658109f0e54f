# shellcheck shell=bash
# Sourced by run.sh after its options. It checks the options, turns them into arrays, and defines the functions that the
# stages share. So run.sh itself shows the method only.

_refuse() {
  echo "run.sh: $*" >&2
  exit 1
}

# --- the options, checked and turned into arrays ----------------------------------------------------------------------

for _name in stage stop_stage rounds num_nodes seed nj; do
  [[ $_name-${!_name} == nj-auto || ${!_name} =~ ^(0|[1-9][0-9]{0,8})$ ]] ||
    _refuse "--${_name//_/-} takes a whole number, not '${!_name}'"
done
[ "$stop_stage" -le 7 ] || stop_stage=7
[ "$stage" -le "$stop_stage" ] || _refuse "--stage $stage comes after --stop-stage $stop_stage: nothing to run (0 to 7)"
_corpora=$(for _file in local/prepare_*.py; do basename "$_file" .py; done | sed 's/^prepare_//' | paste -sd' ')
[[ $corpus =~ ^[A-Za-z0-9_]+$ ]] && [ -f "local/prepare_$corpus.py" ] || _refuse "no local/prepare_$corpus.py: --corpus is one of $_corpora." \
  "For audio of your own: --corpus folder --corpus-dir DIR"
# _check_folder OPTION VALUE TOP: a folder below TOP. JOB stands for the number of a job, in every name.
_check_folder() {
  [[ /$2/ != */../* && /$2/ != *//* ]] || _refuse "$1 '$2' has .. or an empty name in it, and could leave $3/"
  [[ $2 != *JOB* ]] || _refuse "$1 '$2' has JOB in it, which stands for the number of a job: choose another name"
  [[ $2 =~ ^[[:print:]]+$ && ${#2} -le 200 ]] || _refuse "$1 takes a name of at most 200 letters that can be printed"
}
exp=${exp%/}
[ -z "$exp" ] || [[ $exp == exp/?* ]] || _refuse "--exp '$exp' must be under exp/, e.g. exp/$corpus-seed1"
for _name in data exp initial_model first_labels musan rirs_noises conf from; do
  [[ ${!_name} != *[[:space:]]* ]] || _refuse "--${_name//_/-} '${!_name}' has blanks in it, which Kaldi tables cannot hold"
done
[[ $variant =~ ^[a-z_-]+$ ]] && [[ ! $variant =~ ^(untrained|contrastive|dino|mfcc|start)$ ]] ||
  _refuse "--variant takes small letters, a name that no other system has, not '$variant'"
checkpoint=$from
if [ -n "$from" ]; then
  conf=${conf:-conf/adapt}
  [ -z "$initial_model" ] || _refuse "--from and --initial-model both name the encoder to start from: give one"
  if [ ! -f "$from" ]; then
    checkpoint=data/encoders/$from.pt
    local/fetch_encoder.py "$from" || _refuse "--from $from: no such file, and no encoder of this name"
  fi
  [[ $from != *.onnx ]] || [ "$rounds" -eq 0 ] ||
    _refuse "--from $from: an ONNX file gives embeddings, and cannot be trained: add --rounds 0, or give a state dict"
fi
[[ $max_hours =~ ^([0-9.]*[0-9])?$ ]] || _refuse "--max-hours takes a number, not '$max_hours'"
[ -z "$conf" ] || [ -d "$conf" ] || _refuse "--conf $conf: no such folder"
for _name in labels held_out first_labels; do
  [ -z "${!_name}" ] || [ -e "${!_name}" ] || _refuse "--${_name//_/-} ${!_name}: no such file or folder"
done
[ -z "$initial_model" ] || [ -f "$initial_model" ] || _refuse "--initial-model $initial_model: no such file"

data=${data:-data/$corpus}
data=${data%/}
[[ $data == data/?* ]] || _refuse "--data '$data' must be under data/, e.g. data/$corpus-2"
_check_folder --data "$data" data
exp=${exp:-exp/${data#data/}}
_check_folder --exp "$exp" exp
read -ra _names <<<"$systems $initial"
for _name in ${_names[@]+"${_names[@]}"}; do
  [[ $_name =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] ||
    _refuse "--systems and --initial take names of letters, digits, '.', '_' and '-', not '$_name'"
done
corpus_dir_given=$corpus_dir
corpus_dir=${corpus_dir:-$data/corpus}
corpus_dir=${corpus_dir%/}
if [ "$ngpu" = auto ] && [[ $cmd == *queue.pl* ]]; then # the jobs run elsewhere, and this machine may have no GPU
  _most=$(sinfo --noheader --format=%G 2>/dev/null | grep -o 'gpu:[^(, ]*' | grep -o '[0-9]*$' | sort -n | tail -1 || true)
  [ -z "$_most" ] ||
    _refuse "the nodes of this Slurm have up to $_most GPUs: say how many a training takes: --ngpu $_most; or --ngpu 0, the CPU"
  ngpu=0
elif [ "$ngpu" = auto ]; then
  ngpu=$(if command -v nvidia-smi >/dev/null; then nvidia-smi -L | grep -c '^GPU' || true; else echo 0; fi)
fi

[[ $ngpu =~ ^[0-9]+$ ]] || _refuse "--ngpu takes auto or a whole number, not '$ngpu'"
[ "$device" != auto ] || device=$([ "$ngpu" -eq 0 ] && echo cpu || echo cuda)
[[ $device == cpu || $device == cuda ]] || _refuse "--device takes auto, cpu or cuda, not '$device'"
[ "$device-$ngpu" != cuda-0 ] || _refuse "--device cuda needs --ngpu, the number of GPUs; this machine shows none"
gpus=$([ "$device" = cpu ] && echo 0 || echo "$ngpu") # of a training
# Each embedding job has one GPU, as long as there is one. More jobs than GPUs would only start up one after the other.
model_jobs=(--gpu "$((gpus > 0))")
[ "$gpus" -eq 0 ] || model_jobs+=(--nj "$((gpus * num_nodes))")

# _literal ARRAY WORD...: the words as a job's bash has to see them, so that it takes each of them literally. run.pl and
# queue.pl quote words that have blanks, and leave the others to that bash.
_literal() {
  local -n _words=$1
  local word
  _words=()
  for word in "${@:2}"; do
    [[ $word =~ [[:space:]] ]] || printf -v word %q "$word"
    _words+=("$word")
  done
}

read -ra _cmd <<<"$cmd"
read -ra prepare_options <<<"$prepare"
if [ "$corpus" = folder ]; then
  [ -n "$corpus_dir_given" ] || [ "$stage" -gt 1 ] || $status || $diagnose ||
    _refuse "--corpus folder needs --corpus-dir, the folder that holds your audio"
  prepare_options+=(--folders "$folders" --channels "$channels" --seed "$seed")
  [ -z "$labels" ] || prepare_options+=(--labels "$labels")
  [ -z "$held_out" ] || prepare_options+=(--held-out "$held_out")
  max_unusable=${max_unusable:-0.1}
elif [ "$folders-$channels$labels$held_out" != nothing-mix ]; then
  _refuse "--folders, --channels, --labels and --held-out are for --corpus folder"
fi
max_unusable=${max_unusable:-0}
pack_options=() noise_options=() start_options=()
$pack || pack_options=(--in-place)
[ -z "$musan" ] || noise_options+=(--musan "$musan")
[ -z "$rirs_noises" ] || noise_options+=(--rirs-noises "$rirs_noises")
[ -z "$initial_model" ] || start_options=(--initial-model "$initial_model")

[ "$num_nodes" -le 1 ] || [[ $cmd == *queue.pl* ]] || _refuse "--num-nodes $num_nodes needs --cmd \"utils/queue.pl ...\""

# _launcher CORES: set _launch, the words before the script of a training.
_launcher() {
  _launch=()
  [ "$ngpu" -le 1 ] || _launch=(torchrun --standalone "--nproc_per_node=$ngpu")
  if [ "$num_nodes" -gt 1 ]; then
    # A launcher per node. srun does not take the number of processors from sbatch. The job's own bash fills in the last
    # three values; queue.pl says where the launchers meet.
    _launch=(srun --kill-on-bad-exit=1 "--cpus-per-task=$1" utils/torchrun_node.sh "--nnodes=$num_nodes")
    _launch+=("--nproc_per_node=$((ngpu > 0 ? ngpu : 1))")
    _launch+=(--rdzv_backend=c10d "--rdzv_id=\$SLURM_JOB_ID" "--rdzv_endpoint=\$MASTER_ADDR:\$MASTER_PORT")
  fi
  [ "$ngpu" -le 1 ] || [ "$gpus" -gt 0 ] || # processes on the CPU of a node share its cores
    _launch=(env "OMP_NUM_THREADS=$((OMP_NUM_THREADS > ngpu ? OMP_NUM_THREADS / ngpu : 1))" "${_launch[@]}")
}

# cores_of WORKERS: the processors of a training on a node. On GPUs each process has its reading processes beside it.
cores_of() { echo $((gpus > 0 ? gpus * ($1 + 1) : OMP_NUM_THREADS)); }

# --- settings: for each file of conf/, the options that hand it to a script -------------------------------------------

# settings_file IDEA: conf/IDEA.yaml or what stands before it: that of the corpus, and of the folder --conf.
settings_file() {
  local folder
  for folder in ${conf:+"$conf"} "conf/$corpus"; do
    [ ! -f "$folder/$1.yaml" ] || { echo "$folder/$1.yaml"; return; }
  done
  echo "conf/$1.yaml"
}

# _add_settings ARRAY OPTION IDEA: append the file of IDEA, as OPTION, and the words of --set that are about it.
_add_settings() {
  local -n _options=$1
  local word
  _options+=("$2" "$(settings_file "$3")")
  for word in ${set[@]+"${set[@]}"}; do
    [[ $word != "$3".* ]] || _options+=(--set "$word")
  done
}
fbank_settings=() dino_settings=() cluster_settings=() dlglc_settings=() backend_settings=()
for _idea in fbank dino cluster dlglc backend; do _add_settings "${_idea}_settings" --config "$_idea"; done
training_options=(--seed "$seed" --device "$device" --noise "$data/noise" --rirs "$data/rirs")
_add_settings training_options --augment-config augment
_add_settings dino_settings --fbank-config fbank # a round has the features of the encoder that it starts from

_all_files=() _all_words=()
for _idea in fbank augment dino cluster dlglc backend; do _all_files+=("$(settings_file "$_idea")"); done
for _word in ${set[@]+"${set[@]}"}; do _all_words+=(--set "$_word"); done

# What the stages themselves must know of the settings.
_keys=(dino.stage1 dino.workers dlglc.workers dlglc.adapt.cache dlglc.adapt.trained_parts)
_values=$(steps/check_configs.py "${_keys[@]/#/--value=}" "${_all_words[@]}" "${_all_files[@]}")
{ read -r _stage1; read -r _dino_workers; read -r _dlglc_workers; read -r _cache; read -r _trained_parts; } <<<"$_values"
declare -A workers=([dino]=$_dino_workers [contrastive]=$_dino_workers [dlglc]=$_dlglc_workers) # of train_<name>.py

# The number of last parts behind which frozen parts are cached; 0 = none. Stages 4 to 6 share the cache.
cached_parts=0 hidden_of_start=()
if [ -n "$from" ] && [ "$rounds" -gt 0 ] && [ "$_cache" = True ]; then
  cached_parts=$_trained_parts
  hidden_of_start=(--hidden "$exp/start/train")
fi

[ -z "$max_hours" ] || training_options+=(--max-hours "$max_hours")
! $overwrite || training_options+=(--overwrite)

# check_settings: refuse settings that are wrong before hours are spent; a dry run shows those that differ.
check_settings() {
  local show=()
  ! $dry_run || show=(--show)
  steps/check_configs.py --data "$data/train" "${show[@]}" "${_all_words[@]}" "${_all_files[@]}"
}

# The systems of stages 3 and 4 (stage1 in conf/dino.yaml), and those that stage 6 scores.
pretrained=() first_systems=(start)
if [ -z "$from" ]; then
  read -ra pretrained <<<"${_stage1//+/ }"
  first_systems=(untrained "${pretrained[@]}")
fi
initial=${initial:-${first_systems[-1]}}
[[ " ${first_systems[*]} previous " == *" $initial "* || -f $exp/$initial/model.pt ]] ||
  _refuse "--initial takes ${first_systems[*]}, previous or a system that is trained in $exp, not '$initial'"
read -ra scored <<<"${systems:-mfcc ${first_systems[*]} $(seq -f "$variant%g" -s ' ' "$rounds")}"

if $status; then
  _options=()
  for _idea in fbank augment dino cluster dlglc backend; do _options+=("--$_idea-config" "$(settings_file "$_idea")"); done
  mapfile -t _systems < <(printf '%s\n' "${scored[@]}" | grep -vx mfcc)
  exec steps/show_status.py "${_options[@]}" "${_all_words[@]}" "$data" "$exp" "${_systems[@]}"
fi

if $diagnose; then
  exec steps/diagnose.py --data "$data" "$exp"
fi
if $verify; then exec steps/verify_outputs.py "$data" "$exp"; fi

# --- how things run ---------------------------------------------------------------------------------------------------

# Jobs and scripts end by themselves if this process is killed and cannot stop them (SIGKILL).
export RUN_SH=$HOSTNAME:$$

# _run COMMAND...: in the background, and wait: while bash waits for a command in the foreground, it hears no signal.
_child=''
_run() {
  local status=0
  "$@" &
  _child=$!
  wait "$_child" || status=$?
  _child=''
  return "$status"
}
_stop() { # STATUS
  trap '' INT TERM HUP
  if [ -n "$_child" ]; then
    kill "$_child" 2>/dev/null || true
    wait "$_child" 2>/dev/null || true
  fi
  exit "$1"
}
# here COMMAND...: run it, or print it in a dry run.
here() { if $dry_run; then echo "$@"; else _run "$@"; fi; }
# quietly COMMAND...: here, without what it prints.
# job LOG COMMAND...: run it as a job of --cmd.
quietly() { if $dry_run; then echo "$@"; else _run "$@" >/dev/null; fi; }
job() {
  local words
  _literal words "${@:2}"
  here "${_cmd[@]}" "$1" "${words[@]}"
}
# map DATA OUT TABLES SCRIPT ARG...: a per-utterance step in parallel jobs (utils/map_data.sh).
map() { here utils/map_data.sh --cmd "$cmd" --nj "$nj" "$@"; }

_tail='' # process that shows a log
_end_tail() {
  if [ -n "$_tail" ]; then kill "$_tail" 2>/dev/null || true; wait "$_tail" 2>/dev/null || true; fi
  _tail=''
}
# train DIR SCRIPT ARG...: one training job on all its GPUs; the log's lines are shown as they come.
train() {
  local dir=$1 log=$1/log/train.log status=0 cores threads=$OMP_NUM_THREADS name=${2##*/train_} words
  _literal words "${@:2}"
  cores=$(cores_of "${workers[${name%.py}]}")
  _launcher "$cores"
  [ "$gpus" -eq 0 ] || threads=1 # of a process: the GPU computes
  if ! $dry_run; then
    mkdir -p "$dir/log"
    : >>"$log"
    tail --pid=$$ -n 0 -F "$log" > >(grep --line-buffered -E '^[0-9-]{10} ') 2>/dev/null &
    _tail=$!
  fi
  OMP_NUM_THREADS=$threads here "${_cmd[@]}" --gpu "$gpus" --num-nodes "$num_nodes" --num-threads "$cores" "$log" \
    "${_launch[@]}" "${words[@]}" || status=$?
  if [ -n "$_tail" ]; then
    sleep 0.2
    _end_tail
  fi
  # A process that was killed, by the system for want of memory, say, cannot say so itself.
  if [ "$status" -ne 0 ] && [ -f "$dir/checkpoint.pt" ]; then
    echo "run.sh: $dir/checkpoint.pt keeps what was trained so far" >&2
  fi
  return "$status"
}

# --- stages -----------------------------------------------------------------------------------------------------------

# begin N TITLE: true if stage N is wanted; prints its title, and the time that the one before took.
_title='' _number='' _started=0 _run_started=$SECONDS
begin() {
  _end
  [ "$1" -ge "$stage" ] && [ "$1" -le "$stop_stage" ] || return 1
  _number=$1 _title="stage $1: $2" _started=$SECONDS
  printf '\n%s  %s\n' "$(date '+%F %T')" "$_title"
}
_end() {
  [ -z "$_title" ] || printf '%s  %s: done in %d s\n' "$(date '+%F %T')" "$_title" $((SECONDS - _started))
  _title=
}
finish() {
  _end
  printf '\nDone in %d s; everything is in %s\n' $((SECONDS - _run_started)) "$exp"
}
_ended() { # STATUS
  _end_tail
  [ "$1" -ne 0 ] && [ -n "$_title" ] || return 0
  case $1 in
    129 | 130 | 143) echo "run.sh: $_title was stopped; ./run.sh --stage $_number with the same options goes on there" >&2 ;;
    *) echo "run.sh: $_title failed; after mending it: ./run.sh --stage $_number with the same options goes on there" >&2 ;;
  esac
}
trap '_ended $?' EXIT
trap '_stop 130' INT
trap '_stop 143' TERM
trap '_stop 129' HUP

# first_encoder: the system that the first round starts from.
first_encoder() { if [ "$initial" = previous ]; then echo "${first_systems[-1]}"; else echo "$initial"; fi; }

# parts_of DIR: the sets that are there; a set for evaluation is not a must.
parts_of() {
  echo train
  if $dry_run || [ -f "$1/eval/wav.scp" ]; then echo eval; fi
}
# has_truth: true if the speakers of the training set are known, for reports.  has_trials: true if there is a trial list.
has_truth() { $dry_run || [ -f "$data/train/utt2spk.truth" ]; }
has_trials() { $dry_run || [ -f "$data/eval/trials" ]; }

# last_model: the system to use (steps/choose_system.py); nothing if none is complete.
last_model() { if $dry_run; then echo "${scored[-1]#mfcc}"; else steps/choose_system.py "$exp" "${scored[@]}"; fi; }

# cutting PART: long recordings of a folder are cut into utterances; those that trials name stay whole.
cutting() { if [ "$corpus-$1" = folder-train ]; then echo --cut-above=20; else echo --cut-above=0; fi; }

# import_start: the encoder of --from, fetched where it is one of those with a name, as <exp>/start/model.pt.
import_start() {
  local kind=pt other=onnx
  [[ $from != *.onnx ]] || kind=onnx other=pt
  [ -f "$from" ] || here local/fetch_encoder.py "$from" "$checkpoint"
  here local/import_encoder.py "$checkpoint" "$exp/start/model.$kind"
  here rm -f "$exp/start/model.$other"
}
# model_of SYSTEM: its encoder. That of --from may be an ONNX file.
model_of() {
  if [ "$1" = start ] && [[ $from == *.onnx ]]; then echo "$exp/start/model.onnx"; else echo "$exp/$1/model.pt"; fi
}

# estimate_times: what the stages will take on this machine, where nobody has published it.
estimate_times() {
  local start=()
  [ "$corpus" = folder ] || return 0
  if [ -n "$from" ]; then # a wrong checkpoint is refused here too, before the audio is prepared
    import_start
    start=(--start "$(model_of start)")
  fi
  here steps/estimate_times.py ${start[@]+"${start[@]}"} --rounds "$rounds" --nj "$nj" --dino-config "$(settings_file dino)" --dlglc-config "$(settings_file dlglc)" \
    --fbank-config "$(settings_file fbank)" --augment-config "$(settings_file augment)" "${_all_words[@]}" "$corpus_dir"
}

# trial_lists: names of the evaluation set's lists; trials is the first, others are trials_<name>. Those of the speakers
# that are kept for the end, trials_final*, are among them with --final true only.
trial_lists() {
  local file
  echo trials
  for file in "$data"/eval/trials_*; do
    [[ ! -f $file || ( $file == */trials_final* && $final == false ) ]] || echo "${file##*/}"
  done
}
