#!/usr/bin/env bash
# Checks a data directory: keys are sorted and unique, lines have the right fields, all files have the same utterances.
# Each complaint names the file, the line and the remedy. With a complaint the exit status is 1.
# usage: utils/validate_data_dir.sh [options] <data>
#   --no-feats            feats.scp need not be there (before the feature stage)
#   --no-wav              wav.scp need not be there
#   --no-text             accepted for Kaldi's sake; text is optional, and checked where it exists
#   --no-spk-sort         utt2spk need not be sorted by speaker as well
#   --non-print           accepted for Kaldi's sake; keys and paths may be any UTF-8
#   --allow-pipes true    wav.scp may hold commands, `utt cmd |`. They run when the file is read: trust the file first
#   --unlabelled true     the set has no labels: every utterance must be a speaker of its own
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
exec perl "$utils/lib/validate_data.pl" "$data" "feats=$feats" "wav=$wav" "spk_sort=$spk_sort" \
  "allow_pipes=$allow_pipes" "unlabelled=$unlabelled" -- "${utt_files[@]}" -- "${spk_files[@]}" -- ${trials[@]+"${trials[@]}"}
