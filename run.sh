#!/usr/bin/env bash
# From unlabelled speech to a speaker verification system: DINO pretraining, k-means pseudo labels, and rounds of
# training in which a dynamic loss gate refuses and the model itself corrects unreliable labels (arXiv 2208.01928).
#
#   ./run.sh                                                    everything, on the embedded mini corpus
#   ./run.sh --corpus speechocean762 --corpus-dir /corpora/speechocean762
#   ./run.sh --stage 3 --stop-stage 6                           from DINO to scores
#   ./run.sh --cmd "utils/queue.pl --mem 8G" --nj 20 --ngpu 4   on Slurm, see conf/queue.conf
# shellcheck disable=SC2086,SC2154,SC2046  # $cmd and the option lists are several words; utils/stages.sh sets the rest
set -euo pipefail
cd "$(dirname "$0")"

# begin options
stage=0          # first stage: 0 corpus, 1 data, 2 features, 3 DINO, 4 pseudo labels, 5 rounds, 6 scores, 7 report
stop_stage=7     # last stage
corpus=mini      # mini, speechocean762 or voxceleb: chooses conf/<corpus>/ and local/prepare_<corpus>.py
corpus_dir=      # where the corpus is, or where stage 0 puts it; empty = data/<corpus>/corpus
prepare=         # further options of local/prepare_<corpus>.py, e.g. "--partial"
pack=true        # copy all audio into arks, the quickest to read; false = leave it where it is
musan=           # folder of MUSAN for the noise; empty = synthetic noise
rirs_noises=     # folder of RIRS_NOISES for the rooms; empty = synthetic ones
conf=            # folder of settings that come before conf/<corpus>/, e.g. conf/voxceleb/1gpu
exp=             # where models, scores and the report go, under exp/; empty = exp/<corpus>
rounds=3         # rounds of DLG-LC training; the paper has up to 5
initial_model=   # model.pt whose encoder DINO starts from; empty = random weights
initial=dino     # encoder that each round starts from: dino, previous (the round before), or another system of <exp>
labels=          # of the first round, "utterance label" lines of your own; empty = the clusters of its first encoder
variant=round    # name of the rounds: <exp>/<variant>1, <variant>2, …; another one stands beside the first
change=          # keys of conf/dlglc.yaml that this variant changes, e.g. "gate.mode=fixed correction.mode=none"
systems=         # that stage 6 scores; empty = mfcc, untrained, dino and the rounds
seed=0           # of everything that is drawn
cmd=utils/run.pl # how jobs start: here, or "utils/queue.pl --mem 8G" through Slurm
nj=auto          # parallel jobs over utterances; auto = one per core
ngpu=auto        # GPUs of a training; auto = all of this machine, 0 = CPU
num_nodes=1      # nodes of a training, each with ngpu GPUs; more than one through Slurm only
max_hours=       # after which a training stops, with a checkpoint, for queues with a limit; the same command goes on
overwrite=false  # discard trainings in <exp> that were made with other settings, instead of stopping there
dry_run=false    # print the commands of the chosen stages instead of running them
# end options
. utils/parse_options.sh
. ./path.sh
. utils/stages.sh

configs=$(for idea in fbank augment dino cluster dlglc backend; do conf $idea; done)
steps/check_configs.py --data $data/train $configs
common="--seed $seed --fbank-config $(conf fbank) --augment-config $(conf augment)"
common+=" --noise $data/noise --rirs $data/rirs ${max_hours:+--max-hours $max_hours}"
common+=" $($overwrite && echo --overwrite || true)"

# Arrows that are drawn more than once.
embed() { # SYSTEM SET
  map --gpu $((ngpu > 0)) $data/$2 $exp/$1/$2 embedding.scp steps/extract_embeddings.py $exp/$1/model.pt
}
cluster() { # SYSTEM
  local out=$exp/$1/clusters
  $cmd $exp/$1/log/cluster.log steps/cluster.py --config $(conf cluster) --seed $seed $exp/$1/train/embedding.scp $out
  $run steps/cluster_quality.py $out/utt2cluster $data/train/utt2spk.truth $out/quality.json
}
score() { # SYSTEM BACKEND OPTION...: every trial list of the evaluation set
  local list name
  for list in $(trial_lists); do
    name=$2${list#trials}
    $cmd $exp/$1/log/score_$name.log steps/score_trials.py --config $(conf backend) "${@:3}" \
      --mean-from $exp/$1/train/embedding.scp $data/eval/$list $exp/$1/eval/embedding.scp $exp/$1/scores/$name
    $run steps/compute_metrics.py $exp/$1/scores/$name $data/eval/$list $exp/$1/scores/$name.json
  done
}

if stage 0 "the corpus"; then
  $run local/prepare_$corpus.py corpus $corpus_dir $prepare
fi

if stage 1 "data preparation"; then
  $run local/prepare_$corpus.py data $corpus_dir $data/local $prepare
  for set in train eval; do
    map $data/local/$set $data/$set wav.scp,utt2dur,utt2num_samples steps/pack_audio.py $($pack || echo --in-place)
    copy_tables $data/local/$set $data/$set
    $run utils/validate_data_dir.sh --no-feats --no-text --unlabelled true $data/$set
  done
  $run local/prepare_noise.py --speech $data/train ${musan:+--musan $musan} ${rirs_noises:+--rirs-noises $rirs_noises} $data
fi

if stage 2 "features"; then
  for set in train eval; do
    map $data/$set $data/$set feats.scp,utt2num_frames steps/make_fbank.py --config $(conf fbank)
  done
fi

if stage 3 "DINO pretraining"; then
  $run steps/check_configs.py --data $data/train $configs
  train $exp/untrained steps/train_dino.py --config $(conf dino) $common $data/train $exp/untrained --set epochs=0
  train $exp/dino steps/train_dino.py --config $(conf dino) $common \
    ${initial_model:+--initial-model $initial_model} $data/train $exp/dino
fi

if stage 4 "pseudo labels"; then
  for system in untrained dino; do
    embed $system train
    cluster $system
  done
fi

if stage 5 "rounds of dynamic loss gate and label correction"; then
  [ $initial = previous ] && previous=dino || previous=$initial
  for round in $(seq $rounds); do
    [ $initial = previous ] && from=$previous || from=$initial
    system=$variant$round
    labels=${labels:-$exp/$previous/clusters/utt2cluster}
    train $exp/$system steps/train_dlglc.py --config $(conf dlglc) ${change:+--set $change} $common --round $round \
      --embeddings $exp/$from/train/embedding.scp $data/train $labels $exp/$from/model.pt $exp/$system
    $run steps/gate_quality.py $exp/$system $labels $data/train/utt2spk.truth
    embed $system train
    cluster $system
    previous=$system labels=
  done
fi

if stage 6 "scoring"; then
  for system in ${systems:-mfcc untrained dino $(seq -f $variant%g $rounds)}; do
    if [ $system = mfcc ]; then
      for set in train eval; do
        $cmd $exp/mfcc/log/$set.log local/mfcc_baseline.py $data/$set $exp/mfcc/$set
      done
      score mfcc cosine --backend cosine
      continue
    fi
    embed $system eval
    score $system cosine --backend cosine
    score $system asnorm --backend cosine --cohort $exp/$system/train/embedding.scp \
      --cohort-clusters $exp/$system/clusters/utt2cluster
    $cmd $exp/$system/log/train_plda.log steps/train_plda.py --config $(conf backend) \
      $exp/$system/train/embedding.scp $exp/$system/clusters/utt2cluster $exp/$system/plda.npz
    score $system plda --backend plda --plda $exp/$system/plda.npz
  done
fi

if stage 7 "report"; then
  $run steps/make_report.py --data $data $exp
fi
finish
