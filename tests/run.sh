#!/usr/bin/env bash
# Passes the tests on a fresh machine: makes the environment, then ruff, shellcheck and pytest.
# Words are handed to pytest: tests/run.sh -k fbank
set -euo pipefail
cd "$(dirname "$0")/.."
. ./path.sh
export OMP_NUM_THREADS=1 # two tests or two processes of one may run side by side
python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt

echo "tests/run.sh: ruff"
ruff check .
ruff format --check --quiet .
echo "tests/run.sh: shellcheck"
mapfile -t scripts < <(git ls-files -co --exclude-standard '*.sh' .ci/run)
shellcheck -x "${scripts[@]}"
echo "tests/run.sh: pytest"
exec python -m pytest -q --durations=8 "$@"
