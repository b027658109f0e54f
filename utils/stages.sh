# shellcheck shell=bash disable=SC2154,SC2034,SC2086  # the variables are run.sh's; $cmd and $launch are several words
# Sourced by run.sh after its options: what stands between stages, so that run.sh itself reads as the method.

_stages_fail() {
  echo "run.sh: $*" >&2
  exit 1
}

for _name in stage stop_stage rounds num_nodes seed; do
  [[ ${!_name} =~ ^[0-9]+$ ]] || _stages_fail "--${_name//_/-} takes a whole number, not '${!_name}'"
done
[ "$stop_stage" -le 7 ] || stop_stage=7
[ "$stage" -le "$stop_stage" ] || _stages_fail "--stage $stage comes after --stop-stage $stop_stage: nothing to run (0 to 7)"
_corpora=$(for f in local/prepare_*.py; do basename "$f" .py; done | sed 's/^prepare_//' | grep -v '^noise$' | paste -sd' ')
[ -f "local/prepare_$corpus.py" ] || _stages_fail "no local/prepare_$corpus.py: --corpus is one of $_corpora"
[ -z "$exp" ] || [[ $exp == exp/* ]] || _stages_fail "--exp '$exp' must be under exp/, e.g. exp/$corpus-seed1"
for _name in corpus_dir exp initial_model labels musan rirs_noises conf; do
  [[ ${!_name} != *[[:space:]]* ]] || _stages_fail "--${_name//_/-} '${!_name}' has blanks in it, which Kaldi tables cannot hold"
done
[[ $variant =~ ^[a-z_-]+$ ]] && [[ $variant != untrained && $variant != dino && $variant != mfcc ]] ||
  _stages_fail "--variant takes small letters, a name that no other system has, not '$variant'"
[[ $max_hours =~ ^([0-9.]*[0-9])?$ ]] || _stages_fail "--max-hours takes a number, not '$max_hours'"

data=data/$corpus
exp=${exp:-exp/$corpus}
[[ $initial == dino || $initial == previous || -f $exp/$initial/model.pt ]] ||
  _stages_fail "--initial takes dino, previous or a system that is trained in $exp, not '$initial'"
corpus_dir=${corpus_dir:-$data/corpus}
corpus_dir=${corpus_dir%/}
if [ "$ngpu" = auto ]; then
  ngpu=$(if command -v nvidia-smi >/dev/null; then nvidia-smi -L | grep -c '^GPU' || true; else echo 0; fi)
fi
launch=
[ "$ngpu" -le 1 ] || launch="torchrun --standalone --nproc_per_node=$ngpu"
if [ "$num_nodes" -gt 1 ]; then # a launcher per node; queue.pl says where they meet
  [[ $cmd == *queue.pl* ]] || _stages_fail "--num-nodes $num_nodes needs --cmd \"utils/queue.pl ...\""
  launch="srun --kill-on-bad-exit=1 torchrun --nnodes=$num_nodes --nproc_per_node=$((ngpu > 0 ? ngpu : 1))"
  # shellcheck disable=SC2016  # for the job's own bash
  launch+=' --rdzv_backend=c10d --rdzv_id=$SLURM_JOB_ID --rdzv_endpoint=$MASTER_ADDR:$MASTER_PORT'
fi
run=
if $dry_run; then
  run=echo cmd="echo $cmd"
fi

[ -z "$conf" ] || [ -d "$conf" ] || _stages_fail "--conf $conf: no such folder"
. utils/conf.sh

# stage N TITLE: true if stage N is wanted; prints its title, and the time that the one before took.
_stage_title='' _stage_start=0 _run_start=$SECONDS
stage() {
  _stage_end
  [ "$1" -ge "$stage" ] && [ "$1" -le "$stop_stage" ] || return 1
  _stage_title="stage $1: $2" _stage_start=$SECONDS
  printf '\n%s  %s\n' "$(date '+%F %T')" "$_stage_title"
}
_stage_end() {
  [ -z "$_stage_title" ] || printf '%s  %s: done in %d s\n' "$(date '+%F %T')" "$_stage_title" $((SECONDS - _stage_start))
  _stage_title=
}
finish() {
  _stage_end
  printf '\nDone in %d s; everything is in %s\n' $((SECONDS - _run_start)) "$exp"
}
trap '[ $? -eq 0 ] || [ -z "$_stage_title" ] || echo "run.sh: $_stage_title failed; after mending it: ./run.sh --stage ${_stage_title:6:1} … goes on there" >&2' EXIT

# map DATA OUT TABLES SCRIPT ARG...: a per-utterance step in parallel jobs (utils/map_data.sh).
map() { $run utils/map_data.sh --cmd "$cmd" --nj "$nj" "$@"; }

# copy_tables FROM TO: what a data directory says of its utterances besides the audio.
copy_tables() {
  for _file in "$1"/{utt2spk,spk2utt,utt2spk.truth,trials*}; do
    if $dry_run || [ -f "$_file" ]; then $run cp "$_file" "$2"; fi
  done
}

# trial_lists: names of the evaluation set's lists; trials is the first, others are trials_<name>.
trial_lists() {
  echo trials
  for _file in "$data"/eval/trials_*; do
    [ ! -f "$_file" ] || echo "${_file##*/}"
  done
}

# train DIR SCRIPT ARG...: one training job on all its GPUs; the log's lines are shown as they come.
train() {
  local dir=$1 log=$1/log/train.log tail=
  shift
  if ! $dry_run; then
    mkdir -p "$dir/log"
    : >>"$log"
    tail -n 0 -F "$log" 2>/dev/null | grep --line-buffered -E '^[0-9-]{10} ' &
    tail=$!
  fi
  local status=0
  $cmd --gpu "$ngpu" --num-nodes "$num_nodes" --num-threads "$OMP_NUM_THREADS" "$log" $launch "$@" || status=$?
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
