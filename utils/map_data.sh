#!/usr/bin/env bash
# Runs a script on the pieces of a data directory in parallel jobs, and merges the tables that the jobs write:
#   SCRIPT [ARG...] DATA/splitNutt/JOB OUT/parts/JOB   for JOB = 1..N; then OUT/TABLE is merged from OUT/parts/*/TABLE.
# usage: utils/map_data.sh [options] DATA OUT TABLE[,TABLE...] SCRIPT [ARG...]
# e.g.:  utils/map_data.sh --nj 4 data/mini/train data/mini/train feats.scp,utt2num_frames steps/make_fbank.py
set -euo pipefail

# begin options
cmd=utils/run.pl # how the jobs start
nj=auto          # jobs; auto = one per core
gpu=0            # GPUs per job
log=             # log files, with JOB in the name; empty = OUT/log/SCRIPT.JOB.log
# end options
# shellcheck source=utils/parse_options.sh
. "$(dirname "${BASH_SOURCE[0]}")/parse_options.sh"
if [ $# -lt 4 ]; then
  "$0" --help >&2
  exit 1
fi
data=$1 out=$2 script=$4
IFS=, read -ra tables <<<"$3"
shift 4
name=$(basename "$script" .py)
log=${log:-$out/log/$name.JOB.log}
# Where OMP_NUM_THREADS is set, nproc prints its value instead of the number of cores.
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
[ "$nj" != auto ] || nj=$cores
for value in "$nj" "$gpu"; do
  [[ $value =~ ^(0|[1-9][0-9]{0,8})$ ]] || { echo "$0: --nj and --gpu take whole numbers, not '$value'" >&2; exit 1; }
done
# JOB is the number of a job, in every word.
for value in "$data" "$out"; do
  [[ $value != *JOB* ]] || { echo "$0: $value has JOB in it, which stands for the number of a job" >&2; exit 1; }
done
[ -s "$data/utt2spk" ] || { echo "$0: $data/utt2spk is missing or empty: run the stage that makes it" >&2; exit 1; }
utts=$(wc -l <"$data/utt2spk")
[ "$nj" -le "$utts" ] || nj=$utts

utils/split_data.sh --per-utt "$data" "$nj"
share=${OMP_NUM_THREADS:-$cores} # cores for this recipe; fewer where several recipes share the machine
share=${share%%[!0-9]*} # OpenMP also takes a list, e.g. 4,2
export OMP_NUM_THREADS=$((share > nj ? share / nj : 1))
read -ra start <<<"$cmd"
# The job's own bash takes every word literally. run.pl and queue.pl quote those that have blanks.
words=()
for word in "$script" "$@" "$data/split${nj}utt/JOB" "$out/parts/JOB"; do
  [[ $word =~ [[:space:]] ]] || printf -v word %q "$word"
  words+=("$word")
done
# In the background: while bash waits for a command in the foreground, it hears no signal.
"${start[@]}" JOB=1:"$nj" --gpu "$gpu" "$log" "${words[@]}" &
jobs=$!
trap 'kill "$jobs" 2>/dev/null; wait "$jobs"; exit 143' TERM
wait "$jobs"
trap - TERM
for table in "${tables[@]}"; do
  part=$(mktemp "$out/.$table.XXXXXX") # of this process alone: another recipe may share the data
  for job in $(seq "$nj"); do cat "$out/parts/$job/$table"; done | LC_ALL=C sort >"$part" || { rm -f "$part"; exit 1; }
  chmod 644 "$part"
  mv "$part" "$out/$table"
done
merged=$(wc -l <"$out/${tables[0]}")
if [ "$merged" -ne "$utts" ]; then
  echo "$0: $out/${tables[0]} has $merged lines, $data has $utts utterances: see ${log/JOB/*}" >&2
  exit 1
fi
