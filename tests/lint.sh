#!/usr/bin/env bash
# Checks the files without running the recipe.
#   tests/lint.sh             everything: ruff, shellcheck, mypy, perl
#   tests/lint.sh ruff mypy   these two only
# The tools come with tests/requirements.txt; perlcritic is Debian's package libperl-critic-perl.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./path.sh
. tests/packages.sh

files() { # PATTERN...: those that git tracks or would track, and that are there
  local file
  git ls-files -co --exclude-standard "$@" | while read -r file; do [ ! -f "$file" ] || echo "$file"; done
}
lint_ruff() { ruff check . && ruff format --check --quiet .; }
lint_shellcheck() {
  local scripts
  # A sourced file has no #!. It is checked where it is sourced, as its variables come from there.
  mapfile -t scripts < <(files '*.sh' .ci/run | xargs grep -l '^#!')
  shellcheck --external-sources --check-sourced "${scripts[@]}"
}
lint_mypy() { mypy; }
lint_perl() {
  local sources file said status=0
  mapfile -t sources < <(files '*.pl' '*.pm')
  for file in "${sources[@]}"; do
    said=$(perl -c -Iutils/lib "$file" 2>&1) || { echo "$said" >&2; status=1; }
  done
  command -v perlcritic >/dev/null || install_packages perlcritic libperl-critic-perl
  ! command -v perlcritic >/dev/null || perlcritic --profile .perlcriticrc --quiet "${sources[@]}" || status=1
  return "$status"
}

for tool in ruff shellcheck mypy; do
  command -v "$tool" >/dev/null || { echo "tests/lint.sh: no $tool: python -m pip install -r tests/requirements.txt" >&2; exit 1; }
done
[ $# -gt 0 ] || set -- ruff shellcheck mypy perl
failed=()
for check in "$@"; do
  declare -F "lint_$check" >/dev/null || { echo "tests/lint.sh: takes ruff, shellcheck, mypy, perl, not '$check'" >&2; exit 1; }
  echo "tests/lint.sh: $check"
  "lint_$check" || failed+=("$check")
done
[ ${#failed[@]} -eq 0 ] || { echo "tests/lint.sh: mend what ${failed[*]} found" >&2; exit 1; }
