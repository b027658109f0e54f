#!/usr/bin/env bash
# Passes the tests on a fresh machine: makes the environment, then ruff, shellcheck and pytest.
# Words are handed to pytest: tests/run.sh -k fbank
# With SLURM_TESTS=1, as CI sets it, a Slurm is brought up on the loopback, too; as root on Debian or Ubuntu it is
# installed first where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./path.sh
export OMP_NUM_THREADS=1 # two tests or two processes of one may run side by side
slurm_is_here() {
  for program in slurmctld slurmd munged sbatch; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || return 1
  done
}
if [ -n "${SLURM_TESTS:-}" ] && ! slurm_is_here; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "tests/run.sh: installing slurm-wlm and munge with apt-get, for the tests on a real Slurm"
    apt_get() { RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" 2>&1; }
    said=$(apt_get update && apt_get install --yes --no-install-recommends slurm-wlm munge) ||
      printf '%s\n%s\n' "$said" "tests/run.sh: apt-get failed: the tests on a real Slurm will skip" >&2
  else
    echo "tests/run.sh: no Slurm here, and only root with apt-get can install it: its tests will skip" >&2
  fi
fi
python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt

echo "tests/run.sh: ruff"
ruff check .
ruff format --check --quiet .
echo "tests/run.sh: shellcheck"
mapfile -t scripts < <(git ls-files -co --exclude-standard '*.sh' .ci/run)
shellcheck -x "${scripts[@]}"
echo "tests/run.sh: pytest"
exec python -m pytest -q --durations=8 "$@"
