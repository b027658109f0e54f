# shellcheck shell=bash
# Sourced. install_packages WHAT PACKAGE...: install packages of Debian or Ubuntu that WHAT needs. Only root can do that;
# otherwise, and where apt-get fails, say that WHAT is left out.
install_packages() {
  local said script=tests/${0##*/}
  apt_get() { RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" 2>&1; }
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "$script: installing ${*:2} with apt-get, for $1"
    said=$(apt_get update && apt_get install --yes --no-install-recommends "${@:2}") ||
      printf '%s\n%s\n' "$said" "$script: apt-get failed: $1 will be left out" >&2
  else
    echo "$script: no ${*:2} here, and only root with apt-get can install it: $1 will be left out" >&2
  fi
}
