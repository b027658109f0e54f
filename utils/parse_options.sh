# shellcheck shell=bash
# Reads `--name value` and `--name=value` into the variables of the script that sources it:
#
#   # begin options
#   stage=0          # first stage to run
#   cmd=utils/run.pl # how jobs are started
#   # end options
#   . utils/parse_options.sh
#
# Only names in that block are options. `--stop-stage 3` sets stop_stage. Parsing ends at the first word that does not
# start with `--`, or after a bare `--`; the remaining words stay in "$@". `--help` prints the script's leading comment
# and the block. Values are never evaluated, and no file is sourced. An option whose default is true or false takes true
# or false. An option whose default is () is a list: each occurrence adds a value. In the block, a comment line is a
# heading of the help, and an indented comment line continues the help of the option above it.

_po_script=${BASH_SOURCE[1]:-$0}

_po_error() {
  printf '%s: %s\n' "${_po_script##*/}" "$*" >&2
  printf 'Try: %s --help\n' "$_po_script" >&2
  exit 1
}

_po_usage() {
  awk '
    FNR == 1 && /^#!/ { next }
    !past && /^#/ && !/^# shellcheck / { sub(/^# ?/, ""); print; next }
    { past = 1 }
    /^[ \t]*# begin options/ { inside = 1; print "\nOptions:"; next }
    /^[ \t]*# end options/ { exit }
    !inside { next }
    /^[A-Za-z_][A-Za-z0-9_]*=/ {
      name = value = $0; help = ""
      sub(/=.*/, "", name); sub(/^[^=]*=/, "", value); gsub(/_/, "-", name)
      if (match(value, /[ \t]+#[ \t]*/)) {
        help = substr(value, RSTART + RLENGTH); value = substr(value, 1, RSTART - 1)
      }
      sub(/[ \t]+$/, "", value)
      if (value == "" || value == "()") value = "\"\""
      printf "  %-22s %s%s(default: %s)\n", "--" name, help, help == "" ? "" : " ", value
      next
    }
    /^[ \t]+#/ { sub(/^[ \t]+# ?/, ""); printf "  %-22s %s\n", "", $0; next }
    /^#/ { sub(/^# ?/, ""); print " " $0 }
  ' "$_po_script"
}

# Prints the valid names that begin like $1, as `--name`; all of them if none does.
_po_alike() {
  local start name found=()
  for start in "${1:0:4}" "${1:0:2}" ""; do
    for name in "${@:2}"; do
      [[ $name != "$start"* ]] || found+=("--${name//_/-}")
    done
    [ ${#found[@]} -eq 0 ] || break
  done
  echo "${found[*]}"
}

# Sets the options. _po_used is the number of words that they took. Names here start with _po_, so that an option may
# have any other name.
_po_parse() {
  local _po_names _po_name _po_value _po_next _po_joined
  _po_used=0
  mapfile -t _po_names < <(awk '/^[ \t]*# end options/ { exit }
                           inside && match($0, /^[A-Za-z_][A-Za-z0-9_]*=/) { print substr($0, 1, RLENGTH - 1) }
                           /^[ \t]*# begin options/ { inside = 1 }' "$_po_script")
  [ ${#_po_names[@]} -gt 0 ] || _po_error "no options between '# begin options' and '# end options' in $_po_script"
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) _po_usage; exit 0 ;;
      --) _po_used=$((_po_used + 1)); return 0 ;;
      --*) _po_name=${1#--} ;;
      *) return 0 ;;
    esac
    _po_joined=false
    case $_po_name in *=*) _po_value=${_po_name#*=} _po_name=${_po_name%%=*} _po_joined=true ;; esac
    _po_name=${_po_name//-/_}
    if ! _po_valid "$_po_name"; then
      _po_error "unknown option --${_po_name//_/-}. Valid are: $(_po_alike "$_po_name" "${_po_names[@]}")"
    fi
    _po_is_list "$_po_name" || [ -n "${!_po_name+set}" ] ||
      _po_error "option --${_po_name//_/-} has no default set before parse_options.sh"
    # A yes-or-no option may stand alone: `--overwrite`.
    if ! $_po_joined && [[ ${!_po_name-} =~ ^(true|false)$ ]] && [[ ! ${2-} =~ ^(true|false)$ ]] &&
      { [ $# -eq 1 ] || [[ $2 == --* ]]; }; then
      _po_value=true
    elif ! $_po_joined; then
      [ $# -gt 1 ] || _po_error "option --${_po_name//_/-} has no value"
      _po_value=$2
      _po_next=${_po_value#--} _po_next=${_po_next%%=*}
      if [[ $_po_value == --* ]] && _po_valid "${_po_next//-/_}"; then
        _po_error "option --${_po_name//_/-} has no value: the next word is $_po_value" \
          "(if that is the value, write --${_po_name//_/-}=$_po_value)"
      fi
      shift
      _po_used=$((_po_used + 1))
    fi
    case ${!_po_name-},$_po_value in
      true,true | true,false | false,true | false,false) ;;
      true,* | false,*) _po_error "option --${_po_name//_/-} takes true or false, not '$_po_value'" ;;
    esac
    [ "$_po_name,$_po_value" != cmd, ] || _po_error "option --cmd must not be empty: utils/run.pl runs things here"
    if _po_is_list "$_po_name"; then
      declare -n _po_list=$_po_name
      _po_list+=("$_po_value")
    else
      printf -v "$_po_name" '%s' "$_po_value"
    fi
    shift
    _po_used=$((_po_used + 1))
  done
}

_po_is_list() { [[ $(declare -p "$1" 2>/dev/null) == "declare -a"* ]]; }
_po_valid() {
  local _po_known
  for _po_known in "${_po_names[@]}"; do
    [ "$_po_known" != "$1" ] || return 0
  done
  return 1
}

# refuse_words "$@": for scripts that take options alone. Without it, a forgotten --set would be passed over.
refuse_words() {
  [ $# -eq 0 ] || {
    echo "${0##*/}: '$1' belongs to no option: write the name of an option before each value (--set A=1 --set B=2)" >&2
    exit 1
  }
}

_po_parse "$@"
shift "$_po_used"
unset -f _po_parse _po_valid _po_is_list _po_alike _po_usage _po_error
unset _po_used _po_script
unset -n _po_list
