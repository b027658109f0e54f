#!/usr/bin/env bash
# Measures speed and memory of the recipe beside other tools ("peers"). Each case runs in a process of its own, and its
# contestants take turns. The medians count.
#   tests/bench/run.sh              the default cases, about ten minutes; rewrites the table in docs/benchmarks.md
#   tests/bench/run.sh fbank crops  these cases only; prints them and leaves docs/benchmarks.md alone
#   tests/bench/run.sh --list       the names of all cases
# BENCH_THREADS=2 measures wall clock on two threads (default: CPU seconds on one thread).
# BENCH_ONCE=1 runs each contestant a single time, to see that all of them run; docs/benchmarks.md stays as it is.
# The peers are installed into exp/bench/peers.
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
  # One by one, so that a package that cannot be installed leaves only its own comparisons without a figure.
  while read -r package _; do
    [[ -z $package || $package = \#* ]] && continue
    python -m pip install --quiet --disable-pip-version-check --no-deps --target $peers "$package" ||
      echo "tests/bench/run.sh: cannot install $package: its comparisons will say \"absent\"" >&2
  done <tests/bench/requirements.txt
  # torchaudio's compiled part needs CUDA's libraries. Only its Python part is measured, so a CPU build drops the rest.
  python -c 'import torch, sys; sys.exit(torch.version.cuda is None)' || rm -f $peers/torchaudio/lib/*.so
  echo "$wanted" >$peers/.requirements
fi
export PYTHONPATH=$PYTHONPATH:$PWD/tests/bench:$PWD/$peers
exec python tests/bench/bench.py "$@"
