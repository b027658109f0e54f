#!/usr/bin/env bash
# All fault trials, with counts by class; about an hour of one core. The quick part is in tests/run.sh.
#   tests/faults/run.sh                       everything: tests, then mutated inputs, signals, full disks
#   tests/faults/run.sh inputs 2000           a part: inputs N, kills N, environment
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
. ./path.sh
python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
export PYTHONPATH=$PWD/steps:$PWD/local:$PWD/tests
if [ $# -eq 0 ]; then python -m pytest -q tests/faults; fi
exec python -m faults.campaign "$@"
