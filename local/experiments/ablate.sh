#!/usr/bin/env bash
# The ablation: trains the same rounds in several ways, over several seeds, and writes one report of them all.
#
#   none   no gate, no correction            hard   the dynamic gate, and hard label correction
#   lgl    Loss-Gated Learning: fixed        soft   the dynamic gate, and soft label correction:
#          thresholds                               DLG-LC as published
#   dlg    the dynamic loss gate             utterance   the dynamic gate, and predictions of whole utterances
#
#   local/experiments/ablate.sh --corpus speechocean762 --corpus-dir /corpora/speechocean762
#   local/experiments/ablate.sh --seeds "0 1 2 3 4" --rounds 5 --cmd "utils/queue.pl --mem 8G" --jobs 5
#
# run.sh trains and scores everything: a seed in <exp>/seed<N>. It reuses what is finished, so the same command goes on
# with an interrupted ablation. One more system, truth1, is an upper bound: a round on the true speakers as labels. No
# other system sees a speaker.
set -euo pipefail
cd "$(dirname "$0")/../.."

# begin options
seeds="0 1 2"
variants="none lgl dlg hard soft" # any of them
exp=                              # empty = exp/<corpus>-ablation
jobs=auto                         # seeds that run side by side; auto = all of them, at most one per core
# As run.sh takes them:
corpus=speechocean762
corpus_dir=
rounds=5
cmd=utils/run.pl
nj=1
ngpu=auto
set=()
# end options
. utils/parse_options.sh
refuse_words "$@"
. ./path.sh

declare -A gate=([none]=none [lgl]=fixed [dlg]=dynamic [hard]=dynamic [soft]=dynamic [utterance]=dynamic)
declare -A correction=([none]=none [lgl]=none [dlg]=none [hard]=hard [soft]=soft [utterance]=utterance)
data=data/$corpus
exp=${exp:-exp/$corpus-ablation}
read -ra start <<<"$cmd"
read -ra seed_list <<<"$seeds"
read -ra variant_list <<<"$variants"
for variant in "${variant_list[@]}"; do
  [ -n "${gate[$variant]:-}" ] || { echo "ablate.sh: --variants takes some of ${!gate[*]}, not '$variant'" >&2; exit 1; }
done
settings=()
for word in ${set[@]+"${set[@]}"}; do settings+=(--set "$word"); done
cores=$OMP_NUM_THREADS
[ "$jobs" != auto ] || jobs=$((cores < ${#seed_list[@]} ? cores : ${#seed_list[@]}))
export OMP_NUM_THREADS=$((cores > jobs ? cores / jobs : 1))

recipe() { # NAME OPTION...: run.sh in <exp>/NAME
  ./run.sh --corpus "$corpus" --corpus-dir "$corpus_dir" --cmd "$cmd" --nj "$nj" --ngpu "$ngpu" \
    ${settings[@]+"${settings[@]}"} --exp "$exp/$1" "${@:2}"
}
train_rounds() { # SEED NAME VARIANT ROUNDS OPTION...: rounds from the seed's encoder of stage 3, called NAME1, NAME2, …
  recipe "seed$1" --seed "$1" --stage 5 --stop-stage 6 --variant "$2" --rounds "$4" \
    --systems "$(seq -f "$2%g" -s ' ' "$4")" \
    --set "dlglc.gate.mode=${gate[$3]}" --set "dlglc.correction.mode=${correction[$3]}" "${@:5}"
}
run_seed() { # SEED: stage 3 once, then the rounds of each variant
  recipe "seed$1" --seed "$1" --stage 3 --stop-stage 4
  recipe "seed$1" --seed "$1" --stage 6 --stop-stage 6 --rounds 0 # mfcc, untrained, and the systems of stage 3
  train_rounds "$1" truth none 1 --first-labels "$data/train/utt2spk.truth"
  for variant in "${variant_list[@]}"; do train_rounds "$1" "$variant" "$variant" "$rounds"; done
}
anchor() { # a published encoder, trained with labels by others, on the same trials; skipped where its package is missing
  local dir=$exp/anchors/resemblyzer part
  for part in train eval; do
    [ ! -f "$dir/$part/embedding.scp" ] || continue
    if ! python -c 'import resemblyzer' 2>/dev/null; then
      echo "ablate.sh: without Resemblyzer, an encoder to compare with: see local/experiments/resemblyzer_baseline.py"
      return
    fi
    "${start[@]}" "$dir/log/$part.log" local/experiments/resemblyzer_baseline.py "$data/$part" "$dir/$part"
  done
  recipe anchors --stage 6 --stop-stage 6 --systems resemblyzer
}
report() {
  local dirs=() against=(--against truth1) seed variant
  [ ! -d "$exp/anchors/resemblyzer/scores" ] || dirs+=("$exp/anchors")
  for seed in "${seed_list[@]}"; do dirs+=("$exp/seed$seed"); done
  for variant in "${variant_list[@]}"; do
    [ "${correction[$variant]}" != none ] || against+=(--against "$variant")
  done
  steps/compare_systems.py --trials "$data/eval/trials" --utt2spk "$data/eval/utt2spk.truth" "${against[@]}" \
    "$exp" "${dirs[@]}"
}

[ -f "$data/train/feats.scp" ] || recipe "seed${seed_list[0]}" --stop-stage 2
mkdir -p "$exp"
running=0 failed=0
for seed in "${seed_list[@]}"; do
  if [ "$running" -ge "$jobs" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  echo "ablate.sh: seed $seed, log in $exp/seed$seed.log"
  (
    trap '[ $? -eq 0 ] || echo "ablate.sh: seed $seed failed, see the end of $exp/seed$seed.log" >&2' EXIT
    run_seed "$seed" >"$exp/seed$seed.log" 2>&1 </dev/null
  ) &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
[ "$failed" -eq 0 ] || { echo "ablate.sh: mend it, then give the same command again: it goes on there" >&2; exit 1; }
anchor
report
