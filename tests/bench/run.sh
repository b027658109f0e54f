#!/usr/bin/env bash
# Speed and memory beside the peers: every case in a process of its own, contestants in turn, medians.
#   tests/bench/run.sh              the default cases, about ten minutes; rewrites the table in docs/benchmarks.md
#   tests/bench/run.sh fbank crops  these alone, printed; the table stays
#   tests/bench/run.sh --list       what there is
# BENCH_THREADS=2 measures wall clock on two threads (default: CPU seconds on one). Peers go to exp/bench/peers.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=${BENCH_THREADS:-1}
. ./path.sh

peers=exp/bench/peers
wanted=$(cksum <tests/bench/requirements.txt)
if [ "$(cat $peers/.requirements 2>/dev/null || true)" != "$wanted" ]; then
  echo "tests/bench/run.sh: installing the peers into $peers" >&2
  rm -rf $peers
  mkdir -p $peers
  # One by one: a peer that is not to be had here is reported as absent.
  while read -r package _; do
    [[ -z $package || $package = \#* ]] && continue
    python -m pip install --quiet --disable-pip-version-check --no-deps --target $peers "$package" ||
      echo "tests/bench/run.sh: no $package here: its comparisons will say absent" >&2
  done <tests/bench/requirements.txt
  # torchaudio's compiled part wants CUDA's libraries; what is measured is its Python.
  python -c 'import torch, sys; sys.exit(torch.version.cuda is None)' || rm -f $peers/torchaudio/lib/*.so
  echo "$wanted" >$peers/.requirements
fi
export PYTHONPATH=$PYTHONPATH:$PWD/$peers
exec python tests/bench/bench.py "$@"
