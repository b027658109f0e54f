#!/usr/bin/env bash
# Mends a data directory: sorts its files, keeps the utterances that all of them have, and writes spk2utt again. The
# originals go to <data>/.backup. The script prints how many lines each file keeps. It warns if a file loses more than a
# tenth, and fails if nothing is left.
# usage: utils/fix_data_dir.sh <data>
set -euo pipefail
# shellcheck source=utils/lib/data_files.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/data_files.sh"
case ${1-} in -h | --help) data_usage; exit 0 ;; esac
if [ $# -ne 1 ] || [[ $1 == -* ]]; then
  data_usage >&2
  exit 1
fi
data=${1%/}
[ -f "$data/utt2spk" ] || data_error "there is no $data/utt2spk"

work=$(mktemp -d "$data/.fix.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/out"

# tidy FILE: write FILE sorted, with one space between the first two fields and one line per key. Lines without a value
# go. Of two lines with the same key the first stays.
tidy() {
  awk '{ sub(/\r$/, ""); sub(/^[ \t]+/, ""); sub(/[ \t]+$/, "") }
       NF > 1 { key = $1; sub(/^[^ \t]+[ \t]+/, ""); print key " " $0 }' "$data/$1" |
    sort -s -k 1,1 | awk '$1 "" != last || NR == 1 { print } { last = $1 "" }' >"$work/$1"
}

mapfile -t files < <(present_files "$data")
for file in "${files[@]}"; do tidy "$file"; done
if [ -f "$data/segments" ] && [ -f "$data/wav.scp" ]; then  # a segment needs its recording
  tidy wav.scp
  awk 'NR == FNR { there[$1]; next } $2 in there' "$work/wav.scp" "$work/segments" >"$work/segments.kept"
  mv "$work/segments.kept" "$work/segments"
fi
for file in "${spk_files[@]}"; do [ ! -f "$data/$file" ] || tidy "$file"; done

cut -d ' ' -f 1 "$work/utt2spk" >"$work/.keys"
for file in "${files[@]}"; do
  join -t ' ' -o 0 "$work/.keys" "$work/$file" >"$work/.common"
  mv "$work/.common" "$work/.keys"
done
[ -s "$work/.keys" ] || data_error "no utterance of $data stands in all of ${files[*]}; nothing was changed." \
  "Are these files of different sets?"

for file in "${files[@]}"; do keep_keys "$work/.keys" "$work/$file" >"$work/out/$file"; done
for file in "${whole_files[@]}"; do [ ! -f "$data/$file" ] || cp "$data/$file" "$work/"; done
finish_subset "$work" "$work/out"
for file in $(trial_files "$data"); do keep_trials "$work/.keys" "$data/$file" >"$work/out/$file"; done

mkdir -p "$data/.backup"
for path in "$work"/out/*; do
  file=${path##*/}
  if [ -f "$data/$file" ] && cmp -s "$path" "$data/$file"; then continue; fi
  [ ! -f "$data/$file" ] || cp -p "$data/$file" "$data/.backup/$file"
  before=0
  [ ! -f "$data/$file" ] || before=$(wc -l <"$data/$file")
  after=$(wc -l <"$path")
  mv "$path" "$data/$file"
  echo "$0: $data/$file: kept $after of $before lines"
  if [ "$file" != spk2utt ] && [ $((10 * (before - after))) -gt "$before" ]; then
    echo "$0: WARNING: $((before - after)) of $before lines of $data/$file are gone, more than a tenth." \
      "Look into $data/.backup/$file before going on." >&2
  fi
done
echo "$0: $data: $(wc -l <"$data/utt2spk") utterances stand in all of: ${files[*]}"
