#!/usr/bin/env bash
# Passes the tests on a fresh machine: makes the environment, then tests/lint.sh and pytest, on all cores.
#   tests/run.sh              everything
#   tests/run.sh fast         all but the tests that are marked slow: those that train, run stages on a corpus or need Slurm
#   tests/run.sh -k fbank     words are for pytest, behind fast too; -n 0 runs one test after the other in one process
# With SLURM_TESTS=1, as CI sets it, a Slurm is brought up on the loopback, too; as root on Debian or Ubuntu it is
# installed first where it is missing. With BROWSER_TESTS=1, Chromium is installed likewise, to look at the report page.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # of one process: several tests run at a time
. ./path.sh
. tests/packages.sh
tier=()
if [ "${1:-}" = fast ]; then
  tier=(-m "not slow")
  shift
fi
slurm_is_here() {
  for program in slurmctld slurmd munged sbatch; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || return 1
  done
}
[ -z "${SLURM_TESTS:-}" ] || [ ${#tier[@]} -gt 0 ] || slurm_is_here || install_packages "the tests on a real Slurm" slurm-wlm munge
[ -z "${BROWSER_TESTS:-}" ] || [ ${#tier[@]} -gt 0 ] || command -v chromium >/dev/null ||
  install_packages "the tests of the report page in a browser" chromium
python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt

tests/lint.sh
echo "tests/run.sh: pytest"
cores=$(env -u OMP_NUM_THREADS nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
# Two workers even on one core: some tests wait for something most of the time.
exec python -m pytest -q --durations=10 -n "$((cores > 2 ? cores : 2))" --dist loadgroup --no-loadscope-reorder \
  ${tier[@]+"${tier[@]}"} "$@"
