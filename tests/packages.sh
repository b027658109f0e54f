# shellcheck shell=bash
# Sourced. Installs packages of Debian or Ubuntu that some tests need.

apt_get() { RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" 2>&1; }

# install_packages WHAT PACKAGE...: install what WHAT needs. Only root can do that; otherwise say that WHAT is left out.
install_packages() {
  local said script=tests/${0##*/}
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "$script: installing ${*:2} with apt-get, for $1"
    said=$(apt_get update && apt_get install --yes --no-install-recommends "${@:2}") ||
      printf '%s\n%s\n' "$said" "$script: apt-get failed: $1 will be left out" >&2
  else
    echo "$script: ${*:2} is missing, and only root with apt-get can install it: $1 will be left out" >&2
  fi
}
