#!/usr/bin/env bash
# Passes the tests on a fresh machine: makes the environment, then tests/lint.sh and pytest.
# Words are handed to pytest: tests/run.sh -k fbank
# With SLURM_TESTS=1, as CI sets it, a Slurm is brought up on the loopback, too; as root on Debian or Ubuntu it is
# installed first where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./path.sh
. tests/packages.sh
export OMP_NUM_THREADS=1 # two tests or two processes of one may run side by side
slurm_is_here() {
  for program in slurmctld slurmd munged sbatch; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || return 1
  done
}
[ -z "${SLURM_TESTS:-}" ] || slurm_is_here || install_packages "the tests on a real Slurm" slurm-wlm munge
python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt

tests/lint.sh
echo "tests/run.sh: pytest"
exec python -m pytest -q --durations=8 "$@"
