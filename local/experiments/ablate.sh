#!/usr/bin/env bash
# The ablation: the same rounds without a gate, with Loss-Gated Learning's fixed thresholds (LGL), with the dynamic loss
# gate (DLG), with hard and with soft label correction (DLG-LC), over several seeds, and one report of them all.
#
#   utils/ablate.sh --corpus speechocean762 --corpus-dir /corpora/speechocean762
#   utils/ablate.sh --seeds "0 1 2 3 4" --rounds 5 --cmd "utils/queue.pl --mem 8G" --jobs 5
#
# Everything a seed trains stands in <exp>/seed<N>, made by run.sh; what is finished there is not made again, so that an
# interrupted ablation goes on with the same command. The upper bound "truth" is the one system here that sees speakers:
# a round whose labels are the true ones.
# shellcheck disable=SC2154,SC2086  # $cmd is several words; parse_options.sh sets what the block names
set -euo pipefail
cd "$(dirname "$0")/.."

# begin options
corpus=speechocean762   # as run.sh takes them, this one and the next six
corpus_dir=
rounds=5
cmd=utils/run.pl
nj=1
ngpu=auto
seeds="0 1 2"
variants="none lgl dlg hard soft" # which of them; soft is DLG-LC as published
exp=                    # empty = exp/<corpus>-ablation
jobs=auto               # seeds at a time; auto = one per core
# end options
. utils/parse_options.sh
. ./path.sh
. utils/conf.sh

exp=${exp:-exp/$corpus-ablation}
data=data/$corpus
cores=$(env -u OMP_NUM_THREADS nproc)
[ "$jobs" != auto ] || jobs=$cores
export OMP_NUM_THREADS=$((cores > jobs ? cores / jobs : 1))
declare -A change=(
  [none]="gate.mode=none correction.mode=none"
  [lgl]="gate.mode=fixed correction.mode=none"
  [dlg]="gate.mode=dynamic correction.mode=none"
  [hard]="gate.mode=dynamic correction.mode=hard"
  [soft]="gate.mode=dynamic correction.mode=soft"
)
for variant in $variants; do
  [ -n "${change[$variant]:-}" ] || { echo "ablate.sh: --variants knows ${!change[*]}, not '$variant'" >&2; exit 1; }
done

recipe() { # SEED OPTION...: run.sh in a seed's own directory
  ./run.sh --corpus "$corpus" --corpus-dir "$corpus_dir" --cmd "$cmd" --nj "$nj" --ngpu "$ngpu" --seed "$1" \
    --exp "$exp/seed$1" "${@:2}"
}
one_seed() { # SEED: DINO once, then the rounds of each variant from it
  recipe "$1" --stage 3 --stop-stage 4
  recipe "$1" --stage 6 --stop-stage 6 --systems "mfcc untrained dino"
  recipe "$1" --stage 5 --stop-stage 6 --variant truth --rounds 1 --labels "$data/train/utt2spk.truth" \
    --change "${change[none]}" --systems truth1
  for variant in $variants; do
    recipe "$1" --stage 5 --stop-stage 6 --variant "$variant" --rounds "$rounds" --change "${change[$variant]}" \
      --systems "$(seq -f "$variant%g" -s ' ' "$rounds")"
  done
}
anchor() { # a published supervised encoder on the same trials, where its package is there
  local dir=$exp/anchors/resemblyzer
  for set in train eval; do
    [ ! -f "$dir/$set/embedding.scp" ] || continue
    if ! python -c 'import resemblyzer' 2>/dev/null; then
      echo "ablate.sh: no anchor of supervised training by others: see local/resemblyzer_baseline.py"
      return
    fi
    $cmd "$dir/log/$set.log" local/resemblyzer_baseline.py "$data/$set" "$dir/$set"
  done
  # As a round is: clusters of its own embeddings, which PLDA and the cohort are made of.
  local labels=$dir/clusters/utt2cluster train=$dir/train/embedding.scp name
  $cmd "$dir/log/cluster.log" steps/cluster.py --config "$(conf cluster)" "$train" "$dir/clusters"
  steps/cluster_quality.py "$labels" "$data/train/utt2spk.truth" "$dir/clusters/quality.json"
  $cmd "$dir/log/train_plda.log" steps/train_plda.py --config "$(conf backend)" "$train" "$labels" "$dir/plda.npz"
  local -A backend=(
    [cosine]="cosine" [asnorm]="cosine --cohort $train --cohort-clusters $labels" [plda]="plda --plda $dir/plda.npz"
  )
  for name in "${!backend[@]}"; do
    $cmd "$dir/log/score_$name.log" steps/score_trials.py --config "$(conf backend)" --backend ${backend[$name]} \
      --mean-from "$train" "$data/eval/trials" "$dir/eval/embedding.scp" "$dir/scores/$name"
    steps/compute_metrics.py "$dir/scores/$name" "$data/eval/trials" "$dir/scores/$name.json"
  done
}
report() {
  local dirs=() against=(--against truth1)
  [ ! -d "$exp/anchors/resemblyzer/scores" ] || dirs+=("$exp/anchors")
  for seed in $seeds; do dirs+=("$exp/seed$seed"); done
  for variant in $variants; do
    case $variant in none | lgl | dlg) against+=(--against "$variant") ;; esac
  done
  steps/compare_systems.py --trials "$data/eval/trials" --utt2spk "$data/eval/utt2spk.truth" "${against[@]}" \
    "$exp" "${dirs[@]}"
}

[ -f "$data/train/feats.scp" ] || ./run.sh --corpus "$corpus" --corpus-dir "$corpus_dir" --cmd "$cmd" --stop-stage 2
mkdir -p "$exp"
running=0 failed=0
for seed in $seeds; do
  if [ "$running" -ge "$jobs" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  echo "ablate.sh: seed $seed, log in $exp/seed$seed.log"
  (
    trap '[ $? -eq 0 ] || echo "ablate.sh: seed $seed failed, see the end of $exp/seed$seed.log" >&2' EXIT
    one_seed "$seed" >"$exp/seed$seed.log" 2>&1 </dev/null
  ) &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
[ "$failed" -eq 0 ] || { echo "ablate.sh: after mending it, the same command goes on where it stopped" >&2; exit 1; }
anchor
report
