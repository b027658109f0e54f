#!/usr/bin/env bash
# Joins data directories into a new one. No utterance may be in two of them. A file that some of the sources lack is
# left out, with a warning. Trial lists are not joined.
# usage: utils/combine_data.sh <new> <source1> <source2> ...
set -euo pipefail
# shellcheck source=utils/lib/data_files.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/data_files.sh"
case ${1-} in -h | --help) data_usage; exit 0 ;; esac
if [ $# -lt 2 ] || [[ $1 == -* ]]; then
  data_usage >&2
  exit 1
fi
to=${1%/}
shift
for from in "$@"; do
  [ -s "$from/utt2spk" ] || data_error "$from/utt2spk is missing or empty"
  [ ! "$from" -ef "$to" ] || data_error "the new directory must not be one of the sources: $from"
done
twice=$(sort -m -k 1,1 "${@/%//utt2spk}" | cut -d ' ' -f 1 | uniq -d)
[ -z "$twice" ] || data_error "$(wc -l <<<"$twice") utterances stand in more than one directory, the first is" \
  "'${twice%%$'\n'*}': give each source its own prefix, or drop one"

mkdir -p "$to"
clear_data_dir "$to"
for file in "${utt_files[@]}" "${spk_files[@]}"; do
  have=()
  for from in "$@"; do [ ! -f "$from/$file" ] || have+=("$from/$file"); done
  [ ${#have[@]} -gt 0 ] || continue
  if [ ${#have[@]} -lt $# ]; then
    echo "$0: warning: $file is left out, only ${#have[@]} of $# sources have it" >&2
    continue
  fi
  sort -m -u -k 1,1 "${have[@]}" >"$to/$file"  # -u: recordings and speakers may be shared
done
if [ -f "$to/segments" ] && [ ! -f "$to/wav.scp" ]; then data_error "segments without wav.scp in the sources"; fi
for file in "${whole_files[@]}"; do
  for from in "$@"; do
    [ -f "$from/$file" ] || continue
    if [ -f "$to/$file" ] && ! cmp -s "$from/$file" "$to/$file"; then
      data_error "$from/$file differs from the other sources' $file: remake the features with one configuration"
    fi
    cp "$from/$file" "$to/$file"
  done
done
"$utils/utt2spk_to_spk2utt.pl" "$to/utt2spk" >"$to/spk2utt"
echo "$0: $(wc -l <"$to/utt2spk") utterances of $# directories -> $to"
