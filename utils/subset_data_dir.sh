#!/usr/bin/env bash
# Makes a data directory from a part of another one. A trial stays if both of its sides stay.
# usage: utils/subset_data_dir.sh [--first | --last] <n> <source> <new>   n utterances (evenly spread by default)
#        utils/subset_data_dir.sh --utt-list <file> <source> <new>        the utterances in the first column of <file>
#        utils/subset_data_dir.sh --spk-list <file> <source> <new>        the utterances of the speakers in that column
set -euo pipefail
# shellcheck source=utils/lib/data_files.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/data_files.sh"
usage() { data_usage >&2; exit 1; }
case ${1-} in -h | --help) data_usage; exit 0 ;; esac

how=spread list=''
case ${1-} in
  --first | --last) how=${1#--}; shift ;;
  --utt-list | --spk-list) how=${1#--} list=${2-}; shift 2 || usage ;;
  --*) data_error "unknown option $1; valid are --first --last --utt-list --spk-list" ;;
esac
if [ -z "$list" ]; then
  [ $# -eq 3 ] || usage
  n=$1
  shift
  [[ $n =~ ^[1-9][0-9]*$ ]] || data_error "the number of utterances must be a whole number above 0, not '$n'"
fi
[ $# -eq 2 ] || usage
from=${1%/} to=${2%/}
[ -s "$from/utt2spk" ] || data_error "$from/utt2spk is missing or empty"
[ -z "$list" ] || [ -f "$list" ] || data_error "there is no list $list"
[ ! "$from" -ef "$to" ] || data_error "the new directory must be another one than $from"

total=$(wc -l <"$from/utt2spk")
mkdir -p "$to"
keys=$(mktemp)
trap 'rm -f "$keys"' EXIT
case $how in
  first | last | spread)
    [ "$n" -le "$total" ] || data_error "$from has only $total utterances, not $n"
    awk -v n="$n" -v total="$total" -v how="$how" '
      how == "first" ? NR <= n : how == "last" ? NR > total - n : int(NR * n / total) > int((NR - 1) * n / total) {
        print $1 }' "$from/utt2spk" >"$keys" ;;
  utt-list | spk-list)
    awk -v field="$([ "$how" = utt-list ] && echo 1 || echo 2)" -v list="$list" '
      NR == FNR { if (NF) line[$1] = FNR; next }
      $field in line { print $1; found[$field] }
      END { for (id in line) if (!(id in found)) { lost++; if (!at || line[id] < at) { at = line[id]; first = id } }
            if (lost) printf "subset_data_dir.sh: warning: %d listed ids are not there, the first is \"%s\" (%s:%d)\n",
              lost, first, list, at > "/dev/stderr" }' "$list" "$from/utt2spk" >"$keys" ;;
esac
kept=$(wc -l <"$keys")
[ "$kept" -gt 0 ] || data_error "nothing of $from is in ${list:-the subset}; are these ids of another directory?"

# Files of an earlier subset would contradict the new one.
clear_data_dir "$to"
for file in $(present_files "$from"); do keep_keys "$keys" "$from/$file" >"$to/$file"; done
finish_subset "$from" "$to"
for file in $(trial_files "$from"); do keep_trials "$keys" "$from/$file" >"$to/$file"; done
echo "$0: kept $kept of $total utterances: $from -> $to"
