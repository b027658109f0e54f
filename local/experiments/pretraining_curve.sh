#!/usr/bin/env bash
# The curve of stage 3: error rates of the encoder after every few epochs, on every trial list, beside the figures of its
# log that need no label. For reports only: no epoch is chosen by them.
#
#   local/experiments/pretraining_curve.sh --corpus librispeech --every 4
#
# Run stages 0 and 1 of run.sh first. run.sh trains and scores: the encoder of epoch N is the system epochN of <exp>, and
# <exp>/RESULTS.md has the table.
set -euo pipefail
cd "$(dirname "$0")/../.."

# begin options
system=contrastive # or dino: a system of stage 3
every=1            # epochs
exp=               # empty = exp/<corpus>-curve
# As run.sh takes them:
corpus=librispeech
seed=0
cmd=utils/run.pl
nj=auto
ngpu=auto
set=()
# end options
. utils/parse_options.sh
refuse_words "$@"

exp=${exp:-exp/$corpus-curve}
settings=(--set "dino.keep_every=$every" --set "dino.stage1=$system")
for word in ${set[@]+"${set[@]}"}; do settings+=(--set "$word"); done

recipe() {
  ./run.sh --corpus "$corpus" --seed "$seed" --cmd "$cmd" --nj "$nj" --ngpu "$ngpu" "${settings[@]}" --exp "$exp" "$@"
}

recipe --stage 3 --stop-stage 3
epochs=()
for model in "$exp/$system"/epochs/*.pt; do
  epoch=epoch$(basename "$model" .pt)
  mkdir -p "$exp/$epoch"
  ln -sf "../$system/epochs/${model##*/}" "$exp/$epoch/model.pt"
  epochs+=("$epoch")
done
recipe --stage 6 --systems "mfcc untrained ${epochs[*]}"
