#!/usr/bin/env bash
# Checks that a data directory keeps the contract: sorted unique keys, the right fields, the same utterances in
# every file. Each complaint names the file, the line and the remedy; exit 1 if there is one.
# usage: utils/validate_data_dir.sh [options] <data>
#   --no-feats            feats.scp need not be there (before the feature stage)
#   --no-wav              wav.scp need not be there
#   --no-text             accepted; text is never asked for, only checked where it is
#   --no-spk-sort         utt2spk need not be sorted by speaker as well
#   --non-print           accepted; keys and paths may be any UTF-8
#   --allow-pipes true    wav.scp may hold commands, `utt cmd |` (they run when read: only from hands you trust)
#   --unlabelled true     the set has no labels: every utterance must be its own speaker
set -euo pipefail
# shellcheck source=utils/lib/data_files.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/data_files.sh"

feats=true wav=true spk_sort=true allow_pipes=false unlabelled=false
while [[ ${1-} == -* ]]; do
  case $1 in
    -h | --help) data_usage; exit 0 ;;
    --no-feats) feats=false ;;
    --no-wav) wav=false ;;
    --no-spk-sort) spk_sort=false ;;
    --no-text | --non-print) ;;
    --allow-pipes | --unlabelled)
      [[ ${2-} =~ ^(true|false)$ ]] || data_error "$1 takes true or false, not '${2-}'"
      if [ "$1" = --allow-pipes ]; then allow_pipes=$2; else unlabelled=$2; fi
      shift ;;
    *) data_error "unknown option $1; see $0 --help" ;;
  esac
  shift
done
if [ $# -ne 1 ]; then
  data_usage >&2
  exit 1
fi
data=${1%/}
[ -d "$data" ] || data_error "there is no directory $data: make it first (the data preparation stage)"
mapfile -t trials < <(trial_files "$data")
# shellcheck disable=SC2086  # lists of words
exec perl "$utils/lib/validate_data.pl" "$data" "feats=$feats" "wav=$wav" "spk_sort=$spk_sort" \
  "allow_pipes=$allow_pipes" "unlabelled=$unlabelled" -- $utt_files -- $spk_files -- ${trials[@]+"${trials[@]}"}
