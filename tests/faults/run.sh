#!/usr/bin/env bash
# All fault trials, with counts by class; about an hour of one core. The quick part is in tests/run.sh.
#   tests/faults/run.sh                       everything: tests, then mutated inputs, signals, surroundings, a soak
#   tests/faults/run.sh inputs 2000           a part: inputs N, kills N, whole N, ranks N, environment, soak N, fuzz N
#   tests/faults/run.sh kills 500 jobs 4      signals at 500 moments, four at a time; seed N draws other ones
# What Slurm ends is in tests/recipe/utils (SLURM_TESTS=1 tests/run.sh -k slurm). As root, with strace and faketime
# (Debian's packages), nothing is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
. ./path.sh
python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
export PYTHONPATH=$PWD/steps:$PWD/local:$PWD/tests
fuzz() { # N: needs atheris, which has no wheel for every Python
  python -m pip install --quiet --disable-pip-version-check atheris==3.0.0 2>/dev/null || true
  if python -c 'import atheris' 2>/dev/null; then
    python -m faults.fuzz "$1" 2>/dev/null
  else
    echo "coverage-guided: left out, as atheris does not install here"
  fi
}
status=0
if [ $# -eq 0 ]; then
  python -m pytest -q tests/faults || status=1
  python -m faults.campaign || status=1
  fuzz 29000 || status=1
elif [ "$1" = fuzz ]; then
  fuzz "${2:-29000}" || status=1
else
  python -m faults.campaign "$@" || status=1
fi
exit "$status"
