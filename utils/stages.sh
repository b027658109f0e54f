# shellcheck shell=bash
# Sourced by run.sh after its options. It checks the options, turns them into arrays, and defines the functions that the
# stages share. So run.sh itself shows the method only.

_refuse() {
  echo "run.sh: $*" >&2
  exit 1
}

# --- the options, checked and turned into arrays ----------------------------------------------------------------------

for _name in stage stop_stage rounds num_nodes seed; do
  [[ ${!_name} =~ ^[0-9]+$ ]] || _refuse "--${_name//_/-} takes a whole number, not '${!_name}'"
done
[ "$stop_stage" -le 7 ] || stop_stage=7
[ "$stage" -le "$stop_stage" ] || _refuse "--stage $stage comes after --stop-stage $stop_stage: nothing to run (0 to 7)"
_corpora=$(for _file in local/prepare_*.py; do basename "$_file" .py; done | sed 's/^prepare_//' | paste -sd' ')
[ -f "local/prepare_$corpus.py" ] || _refuse "no local/prepare_$corpus.py: --corpus is one of $_corpora." \
  "For audio of your own: --corpus folder --corpus-dir DIR"
[ -z "$exp" ] || [[ $exp == exp/* ]] || _refuse "--exp '$exp' must be under exp/, e.g. exp/$corpus-seed1"
for _name in data exp initial_model first_labels musan rirs_noises conf; do
  [[ ${!_name} != *[[:space:]]* ]] || _refuse "--${_name//_/-} '${!_name}' has blanks in it, which Kaldi tables cannot hold"
done
[[ $variant =~ ^[a-z_-]+$ ]] && [[ $variant != untrained && $variant != dino && $variant != mfcc ]] ||
  _refuse "--variant takes small letters, a name that no other system has, not '$variant'"
[[ $max_hours =~ ^([0-9.]*[0-9])?$ ]] || _refuse "--max-hours takes a number, not '$max_hours'"
[ -z "$conf" ] || [ -d "$conf" ] || _refuse "--conf $conf: no such folder"
for _name in labels held_out first_labels; do
  [ -z "${!_name}" ] || [ -e "${!_name}" ] || _refuse "--${_name//_/-} ${!_name}: no such file or folder"
done
[ -z "$initial_model" ] || [ -f "$initial_model" ] || _refuse "--initial-model $initial_model: no such file"

data=${data:-data/$corpus}
data=${data%/}
[[ $data == data/* ]] || _refuse "--data '$data' must be under data/, e.g. data/$corpus-2"
exp=${exp:-exp/${data#data/}}
[[ $initial == dino || $initial == previous || -f $exp/$initial/model.pt ]] ||
  _refuse "--initial takes dino, previous or a system that is trained in $exp, not '$initial'"
corpus_dir_given=$corpus_dir
corpus_dir=${corpus_dir:-$data/corpus}
corpus_dir=${corpus_dir%/}
if [ "$ngpu" = auto ]; then
  ngpu=$(if command -v nvidia-smi >/dev/null; then nvidia-smi -L | grep -c '^GPU' || true; else echo 0; fi)
fi

read -ra _cmd <<<"$cmd"
read -ra prepare_options <<<"$prepare"
if [ "$corpus" = folder ]; then
  [ -n "$corpus_dir_given" ] || [ "$stage" -gt 1 ] || $status ||
    _refuse "--corpus folder needs --corpus-dir, the folder that holds your audio"
  prepare_options+=(--folders "$folders" --channels "$channels" --seed "$seed")
  [ -z "$labels" ] || prepare_options+=(--labels "$labels")
  [ -z "$held_out" ] || prepare_options+=(--held-out "$held_out")
  max_unusable=${max_unusable:-0.1}
elif [ "$folders-$channels$labels$held_out" != nothing-mix ]; then
  _refuse "--folders, --channels, --labels and --held-out are for --corpus folder"
fi
max_unusable=${max_unusable:-0}
read -ra scored <<<"${systems:-mfcc untrained dino $(seq -f "$variant%g" -s ' ' "$rounds")}"
pack_options=() noise_options=() dino_options=()
$pack || pack_options=(--in-place)
[ -z "$musan" ] || noise_options+=(--musan "$musan")
[ -z "$rirs_noises" ] || noise_options+=(--rirs-noises "$rirs_noises")
[ -z "$initial_model" ] || dino_options=(--initial-model "$initial_model")

_launch=()
[ "$ngpu" -le 1 ] || _launch=(torchrun --standalone "--nproc_per_node=$ngpu")
if [ "$num_nodes" -gt 1 ]; then # a launcher per node; queue.pl says where they meet
  [[ $cmd == *queue.pl* ]] || _refuse "--num-nodes $num_nodes needs --cmd \"utils/queue.pl ...\""
  _launch=(srun --kill-on-bad-exit=1 torchrun "--nnodes=$num_nodes" "--nproc_per_node=$((ngpu > 0 ? ngpu : 1))")
  # The job's own bash fills in these three values.
  _launch+=(--rdzv_backend=c10d "--rdzv_id=\$SLURM_JOB_ID" "--rdzv_endpoint=\$MASTER_ADDR:\$MASTER_PORT")
fi

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
training_options=(--seed "$seed" --noise "$data/noise" --rirs "$data/rirs")
for _idea in fbank augment; do _add_settings training_options "--$_idea-config" "$_idea"; done

_all_files=() _all_words=()
for _idea in fbank augment dino cluster dlglc backend; do _all_files+=("$(settings_file "$_idea")"); done
for _word in ${set[@]+"${set[@]}"}; do _all_words+=(--set "$_word"); done

[ -z "$max_hours" ] || training_options+=(--max-hours "$max_hours")
! $overwrite || training_options+=(--overwrite)

# check_settings: refuse settings that are wrong before hours are spent; a dry run shows those that differ.
check_settings() {
  local show=()
  ! $dry_run || show=(--show)
  steps/check_configs.py --data "$data/train" "${show[@]}" "${_all_words[@]}" "${_all_files[@]}"
}

if $status; then
  _options=()
  for _idea in fbank augment dino cluster dlglc backend; do _options+=("--$_idea-config" "$(settings_file "$_idea")"); done
  mapfile -t _systems < <(printf '%s\n' "${scored[@]}" | grep -vx mfcc)
  exec steps/show_status.py "${_options[@]}" "${_all_words[@]}" "$data" "$exp" "${_systems[@]}"
fi

# --- how things run ---------------------------------------------------------------------------------------------------

# here COMMAND...: run it in this shell, or print it in a dry run.
here() { if $dry_run; then echo "$@"; else "$@"; fi; }
# quietly COMMAND...: here, without what it prints.
# job LOG COMMAND...: run it as a job of --cmd.
quietly() { if $dry_run; then echo "$@"; else "$@" >/dev/null; fi; }
job() { here "${_cmd[@]}" "$@"; }
# map DATA OUT TABLES SCRIPT ARG...: a per-utterance step in parallel jobs (utils/map_data.sh).
map() { here utils/map_data.sh --cmd "$cmd" --nj "$nj" "$@"; }

# train DIR SCRIPT ARG...: one training job on all its GPUs; the log's lines are shown as they come.
train() {
  local dir=$1 log=$1/log/train.log tail='' status=0
  shift
  if ! $dry_run; then
    mkdir -p "$dir/log"
    : >>"$log"
    tail -n 0 -F "$log" 2>/dev/null | grep --line-buffered -E '^[0-9-]{10} ' &
    tail=$!
  fi
  here "${_cmd[@]}" --gpu "$ngpu" --num-nodes "$num_nodes" --num-threads "$OMP_NUM_THREADS" "$log" \
    "${_launch[@]}" "$@" || status=$?
  if [ -n "$tail" ]; then
    sleep 0.2
    kill "$tail" 2>/dev/null || true
    wait "$tail" 2>/dev/null || true
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
  [ "$1" -ne 0 ] && [ -n "$_title" ] || return 0
  case $1 in
    130 | 143) echo "run.sh: $_title was stopped; ./run.sh --stage $_number with the same options goes on there" >&2 ;;
    *) echo "run.sh: $_title failed; after mending it: ./run.sh --stage $_number with the same options goes on there" >&2 ;;
  esac
}
trap '_ended $?' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# first_encoder: the system that the first round starts from.
first_encoder() { if [ "$initial" = previous ]; then echo dino; else echo "$initial"; fi; }

# parts_of DIR: the sets that are there; a set for evaluation is not a must.
parts_of() {
  echo train
  if $dry_run || [ -f "$1/eval/wav.scp" ]; then echo eval; fi
}
# has_truth: true if the speakers of the training set are known, for reports.  has_trials: true if there is a trial list.
has_truth() { $dry_run || [ -f "$data/train/utt2spk.truth" ]; }
has_trials() { $dry_run || [ -f "$data/eval/trials" ]; }

# last_model: the last of the scored systems that has a model; nothing if none has.
last_model() {
  local system last=
  for system in "${scored[@]}"; do
    if [ -f "$exp/$system/model.pt" ] && [ -f "$exp/$system/clusters/utt2cluster" ] || { $dry_run && [ "$system" != mfcc ]; }; then last=$system; fi
  done
  echo "$last"
}

# cutting PART: long recordings of a folder are cut into utterances; those that trials name stay whole.
cutting() { if [ "$corpus-$1" = folder-train ]; then echo --cut-above=20; else echo --cut-above=0; fi; }

# estimate_times: what the stages will take on this machine, where nobody has published it.
estimate_times() {
  [ "$corpus" = folder ] || return 0
  here steps/estimate_times.py --rounds "$rounds" --nj "$nj" --dino-config "$(settings_file dino)" --dlglc-config "$(settings_file dlglc)" \
    --fbank-config "$(settings_file fbank)" --augment-config "$(settings_file augment)" "${_all_words[@]}" "$corpus_dir"
}

# trial_lists: names of the evaluation set's lists; trials is the first, others are trials_<name>.
trial_lists() {
  local file
  echo trials
  for file in "$data"/eval/trials_*; do
    [ ! -f "$file" ] || echo "${file##*/}"
  done
}
