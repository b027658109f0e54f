# shellcheck shell=bash
# What a data directory is made of, for the scripts that cut, join, check and mend one. Sourced.
export LC_ALL=C  # one sort order everywhere: by byte
utils=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Keyed by utterance: one line per utterance of utt2spk. (With a `segments` file, wav.scp is keyed by recording.)
utt_files=(utt2spk utt2spk.truth wav.scp segments feats.scp vad.scp utt2dur utt2num_samples utt2num_frames)
utt_files+=(utt2lang utt2uniq text utt2channel utt2sess utt2reco)
# Keyed by speaker, besides spk2utt, which is always made anew from utt2spk.
spk_files=(spk2gender cmvn.scp)
# About the directory as a whole, copied as they are.
whole_files=(frame_shift)

data_error() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

data_usage() {  # the comment at the head of the script
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
}

# present_files DIR: the files of DIR that are keyed like utt2spk
present_files() {
  local file
  for file in "${utt_files[@]}"; do
    [ -f "$1/$file" ] || continue
    [ "$file" = wav.scp ] && [ -f "$1/segments" ] && continue
    printf '%s\n' "$file"
  done
}

# clear_data_dir DIR: remove what an earlier run left there, which would contradict the new files
clear_data_dir() {
  local file
  for file in "${utt_files[@]}" "${spk_files[@]}" "${whole_files[@]}" spk2utt $(trial_files "$1"); do
    rm -f "$1/$file"
  done
}

# keep_keys KEYS FILE: the lines of FILE whose first field is in KEYS; both are sorted
keep_keys() { join -t ' ' -- "$1" "$2"; }

# finish_subset FROM TO: after utt2spk's kind of files stand in TO, what follows from them
finish_subset() {
  local from=$1 to=$2 file
  if [ -f "$to/segments" ] && [ -f "$from/wav.scp" ]; then
    cut -d ' ' -f 2 "$to/segments" | sort -u >"$to/.keys"
    keep_keys "$to/.keys" "$from/wav.scp" >"$to/wav.scp"
    rm "$to/.keys"
  fi
  "$utils/utt2spk_to_spk2utt.pl" "$to/utt2spk" >"$to/spk2utt"
  for file in "${spk_files[@]}"; do
    [ -f "$from/$file" ] || continue
    keep_keys <(cut -d ' ' -f 1 "$to/spk2utt") "$from/$file" >"$to/$file"
  done
  for file in "${whole_files[@]}"; do
    [ ! -f "$from/$file" ] || cp "$from/$file" "$to/$file"
  done
}

# trial_files DIR: trials, and trials_x where a set has several lists
trial_files() {
  local file
  for file in "$1"/trials "$1"/trials_*; do
    [ ! -f "$file" ] || printf '%s\n' "${file##*/}"
  done
}

# keep_trials KEYS FILE: the trials whose both sides are in KEYS, in the order of FILE
keep_trials() { awk 'NR == FNR { keep[$1]; next } ($1 in keep) && ($2 in keep)' "$1" "$2"; }
