#!/usr/bin/env bash
# The reference curve of DINO: loss, entropies and spread of the embeddings after each epoch, and the error rate of that
# epoch's teacher. It shows two runs: the recipe's, and one that is made to collapse, because its centre stands still.
#
#   local/experiments/dino_curve.sh --corpus mini
#   local/experiments/dino_curve.sh --corpus speechocean762 --cmd "utils/queue.pl --mem 8G" --ngpu 1
#
# Run stages 0 and 1 of run.sh first. run.sh trains and scores: the teacher of epoch N is the system epochN of
# <exp>/<run>. The error rates are for the report alone: no epoch is chosen by them.
set -euo pipefail
cd "$(dirname "$0")/../.."

# begin options
runs="learns collapses" # one of them, or both
exp=                    # empty = exp/<corpus>-curve
# As run.sh takes them:
corpus=mini
seed=0
cmd=utils/run.pl
nj=auto
ngpu=auto
set=()
# end options
. utils/parse_options.sh
refuse_words "$@"
. ./path.sh

exp=${exp:-exp/$corpus-curve}
read -ra run_list <<<"$runs"
settings=(--set dino.keep_every=1)
for word in ${set[@]+"${set[@]}"}; do settings+=(--set "$word"); done
declare -A momentum=([learns]='' [collapses]=1.0) # of the centre; 1 = it stands still
for run in "${run_list[@]}"; do
  [ -n "${momentum[$run]+known}" ] || { echo "dino_curve.sh: --runs takes ${!momentum[*]}, not '$run'" >&2; exit 1; }
done

recipe() { # RUN OPTION...: run.sh in <exp>/RUN
  local change=()
  [ -z "${momentum[$1]}" ] || change=(--set "dino.centre_momentum=${momentum[$1]}" --set dino.on_collapse=warn)
  ./run.sh --corpus "$corpus" --seed "$seed" --cmd "$cmd" --nj "$nj" --ngpu "$ngpu" "${settings[@]}" \
    ${change[@]+"${change[@]}"} --exp "$exp/$1" "${@:2}"
}

for run in "${run_list[@]}"; do
  recipe "$run" --stage 3 --stop-stage 3
  teachers=()
  for model in "$exp/$run"/dino/epochs/*.pt; do
    system=epoch$(basename "$model" .pt)
    mkdir -p "$exp/$run/$system"
    ln -sf "../dino/epochs/${model##*/}" "$exp/$run/$system/model.pt"
    [ "$exp/$run/$system/scores/cosine.json" -nt "$model" ] || teachers+=("$system")
  done
  [ ${#teachers[@]} -eq 0 ] || recipe "$run" --stage 6 --stop-stage 6 --systems "${teachers[*]}"
done
steps/plot_dino.py "$exp" "${run_list[@]/#/$exp/}"
