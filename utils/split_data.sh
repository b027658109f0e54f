#!/usr/bin/env bash
# Cuts a data directory into n pieces for n jobs: data/x -> data/x/splitN/1 ... data/x/splitN/N.
# usage: utils/split_data.sh [--per-utt] <data> <n>
#   --per-utt  cut between any two utterances; the pieces go to splitNutt. Without it, a speaker stays in one piece
# An existing split that is newer than every file of the directory is used again.
set -euo pipefail
# shellcheck source=utils/lib/data_files.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/data_files.sh"
case ${1-} in -h | --help) data_usage; exit 0 ;; esac

suffix='' by_speaker=true
if [ "${1-}" = --per-utt ]; then
  suffix=utt by_speaker=false
  shift
fi
if [ $# -ne 2 ] || [[ ${1-} == -* ]]; then
  data_usage >&2
  exit 1
fi
data=${1%/} n=$2
[[ $n =~ ^[1-9][0-9]*$ ]] || data_error "the number of pieces must be a whole number above 0, not '$n'"
[ -s "$data/utt2spk" ] || data_error "$data/utt2spk is missing or empty: prepare the directory first"

mapfile -t files < <(present_files "$data")
sources=("${files[@]}")
for file in "${spk_files[@]}" "${whole_files[@]}" wav.scp; do [ ! -f "$data/$file" ] || sources+=("$file"); done
split=$data/split$n$suffix

fresh() {  # true if the split is up to date: .done lists the files that were cut
  [ -f "$split/.done" ] && [ "$(cat "$split/.done" 2>/dev/null)" = "${sources[*]}" ] || return 1
  local file
  for file in "${sources[@]}"; do
    if [ "$data/$file" -nt "$split/.done" ]; then return 1; fi
  done
}
if fresh; then exit 0; fi
# Two recipes may split the same data at the same time. The second one waits and uses the split of the first.
if command -v flock >/dev/null; then
  exec 9>"$data/.split.lock"
  flock 9
  if fresh; then exit 0; fi
fi

utts=$(wc -l <"$data/utt2spk")
[ "$utts" -ge "$n" ] ||
  data_error "$data has $utts utterances, too few for $n pieces: ask for $utts jobs or fewer (--nj $utts)"
if $by_speaker; then
  speakers=$(cut -d ' ' -f 2 "$data/utt2spk" | sort -u | wc -l)
  [ "$speakers" -ge "$n" ] || data_error "$data has $speakers speakers, too few for $n pieces:" \
    "ask for $speakers jobs or fewer (--nj $speakers), or use --per-utt"
fi

# The pieces are made in a temporary directory and moved at the end: a half-made split is never used.
work=$(mktemp -d "$data/.split$n$suffix.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
touch "$work/.start"
mapfile -t pieces < <(seq 1 "$n")
mkdir "${pieces[@]/#/$work/}"
pieces=("${pieces[@]/#/$work/}")
options=()
if $by_speaker; then options=(--utt2spk="$data/utt2spk"); fi
"$utils/split_scp.pl" ${options[@]+"${options[@]}"} "$data/utt2spk" "${pieces[@]/%//utt2spk}"

# All files have the same order, so the last utterance of each piece tells where to cut each file.
awk 'FNR == 1 && NR > 1 { print last } { last = $1 } END { print last }' "${pieces[@]/%//utt2spk}" >"$work/.last"
for file in "${files[@]}"; do
  [ "$file" = utt2spk ] && continue
  awk -v n="$n" -v dir="$work" -v name="$file" '
    FNR == NR { last[NR] = $1 ""; next }
    function turn(to) { close(out); i = to; out = dir "/" i "/" name; printf "" > out }
    FNR == 1 { turn(1) }
    { while (i < n && ($1 "") > last[i]) turn(i + 1)
      print > out }
  ' "$work/.last" "$data/$file"
done
for piece in "${pieces[@]}"; do
  finish_subset "$data" "$piece"  # no trial lists: the two sides of a trial may be in different pieces
done
printf '%s' "${sources[*]}" >"$work/.done"
touch -r "$work/.start" "$work/.done"
rm -f "$work/.last" "$work/.start"
rm -rf "$split"
mv -T "$work" "$split" || fresh  # without flock, another process may have made it first
