#!/usr/bin/env bash
# The reference curve of DINO: loss, entropies and spread of the embeddings after each epoch, and what error rate the
# teacher of that epoch has; of the recipe's run, and of one that is made to collapse (its centre stands still).
#
#   utils/dino_curve.sh --corpus mini
#   utils/dino_curve.sh --corpus speechocean762 --cmd "utils/queue.pl --mem 8G" --ngpu 1
#
# After stages 0 and 1 of run.sh. The error rates are for the report alone: no epoch is chosen by them.
# shellcheck disable=SC2154,SC2086,SC2034  # $cmd is several words; parse_options.sh sets what the block names
set -euo pipefail
cd "$(dirname "$0")/.."

# begin options
corpus=mini             # whose settings and data, as run.sh takes it
runs="learns collapses" # which of the two
seed=0
cmd=utils/run.pl
gpu=0                   # GPUs of a job: 0 or 1
exp=                    # empty = exp/<corpus>-curve
# end options
. utils/parse_options.sh
. ./path.sh
. utils/conf.sh

data=data/$corpus
exp=${exp:-exp/$corpus-curve}
cmd="$cmd --gpu $gpu"
dino="--config $(conf dino) --seed $seed --fbank-config $(conf fbank) --augment-config $(conf augment)"
dino+=" --noise $data/noise --rirs $data/rirs $data/train"
backend=$(conf backend)
declare -A change=([learns]="" [collapses]="centre_momentum=1.0 on_collapse=warn")

[ -f "$data/train/wav.scp" ] || { echo "dino_curve.sh: no $data/train: ./run.sh --corpus $corpus --stop-stage 1" >&2; exit 1; }
for run in $runs; do
  [ -n "${change[$run]+known}" ] || { echo "dino_curve.sh: --runs knows ${!change[*]}, not '$run'" >&2; exit 1; }
  dir=$exp/$run
  echo "dino_curve.sh: $run, log in $dir/log/train.log"
  $cmd "$dir/log/train.log" steps/train_dino.py $dino "$dir" --set keep_every=1 ${change[$run]}
  for model in "$dir"/epochs/*.pt; do
    epoch=${model%.pt}
    [ ! -f "$epoch/cosine.json" ] || continue
    for set in train eval; do
      $cmd "$epoch/log/$set.log" steps/extract_embeddings.py "$model" "$data/$set" "$epoch/$set"
    done
    $cmd "$epoch/log/score.log" steps/score_trials.py --config "$backend" --backend cosine \
      --mean-from "$epoch/train/embedding.scp" "$data/eval/trials" "$epoch/eval/embedding.scp" "$epoch/cosine"
    steps/compute_metrics.py "$epoch/cosine" "$data/eval/trials" "$epoch/cosine.json"
  done
done
# shellcheck disable=SC2046  # one word a run
steps/plot_dino.py "$exp" $(printf "$exp/%s " $runs)
