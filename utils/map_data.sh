#!/usr/bin/env bash
# Runs a per-utterance step over the pieces of a data directory in parallel jobs and merges the tables it writes:
#   SCRIPT [ARG...] DATA/splitNutt/JOB OUT/parts/JOB   for JOB = 1..N, then OUT/TABLE from OUT/parts/*/TABLE.
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
data=$1 out=$2 tables=${3//,/ } script=$4
shift 4
name=$(basename "$script" .py)
log=${log:-$out/log/$name.JOB.log}
# nproc answers with OMP_NUM_THREADS where that is set
cores=$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
[ "$nj" != auto ] || nj=$cores
[ -s "$data/utt2spk" ] || { echo "$0: $data/utt2spk is missing or empty: run the stage that makes it" >&2; exit 1; }
utts=$(wc -l <"$data/utt2spk")
[ "$nj" -le "$utts" ] || nj=$utts

utils/split_data.sh --per-utt "$data" "$nj"
share=${OMP_NUM_THREADS:-$cores} # of this machine's cores: fewer where several recipes run on it
export OMP_NUM_THREADS=$((share > nj ? share / nj : 1))
# shellcheck disable=SC2086  # $cmd may be several words
$cmd JOB=1:"$nj" --gpu "$gpu" "$log" "$script" "$@" "$data/split${nj}utt/JOB" "$out/parts/JOB"
for table in $tables; do
  for job in $(seq "$nj"); do cat "$out/parts/$job/$table"; done | LC_ALL=C sort >"$out/$table.tmp"
  mv "$out/$table.tmp" "$out/$table"
done
merged=$(wc -l <"$out/${tables%% *}")
if [ "$merged" -ne "$utts" ]; then
  echo "$0: $out/${tables%% *} has $merged lines, $data has $utts utterances: see ${log/JOB/*}" >&2
  exit 1
fi
