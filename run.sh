#!/usr/bin/env bash
# From unlabelled speech to a speaker verification system: DINO pretraining, k-means pseudo labels, and rounds of
# training in which a dynamic loss gate refuses and the model itself corrects unreliable labels (arXiv 2208.01928).
#
#   ./run.sh                                                    everything, on the embedded mini corpus
#   ./run.sh --corpus folder --corpus-dir ~/speech              your own audio, any format, without a label
#   ./run.sh --corpus folder --corpus-dir ~/speech --from campplus   the same, from a published encoder
#   ./run.sh --corpus speechocean762 --corpus-dir /corpora/speechocean762
#   ./run.sh --stage 3 --stop-stage 6                           from DINO to scores
#   ./run.sh --set dino.epochs=4 --set augment.probability=0    any key of any file in conf/
#   ./run.sh --cmd "utils/queue.pl --mem 8G" --nj 20 --ngpu 4   on Slurm, see conf/queue.conf
set -euo pipefail
cd "$(dirname "$0")"

# begin options
stage=0          # first stage: 0 corpus, 1 data, 2 features, 3 pretraining, 4 pseudo labels, 5 rounds, 6 scores, 7 report
stop_stage=7     # last stage
corpus=mini      # mini, folder, librispeech, pool, speechocean762, voxceleb: chooses conf/<corpus>/ and local/prepare_<corpus>.py
corpus_dir=      # where the corpus is, or where stage 0 puts it; empty = data/<corpus>/corpus
prepare=         # further options of local/prepare_<corpus>.py, e.g. "--partial"
folders=nothing  # --corpus folder: what sub-folders mean: nothing, session or speaker
labels=          # --corpus folder: "path speaker [session]" lines of a few files, for evaluation; they are not trained on
held_out=        # --corpus folder: a folder with one sub-folder for each person, for evaluation
channels=mix     # --corpus folder: of files with several channels: mix them down, or split them
max_unusable=    # share of the recordings that may be left out as damaged; empty = 0.1 of a folder, none of others
pack=true        # copy all audio into arks, the quickest to read; false = leave it where it is
musan=           # folder of MUSAN for the noise; empty = synthetic noise
rirs_noises=     # folder of RIRS_NOISES for the rooms; empty = synthetic ones
conf=            # folder of settings that come before conf/<corpus>/, e.g. conf/voxceleb/1gpu
set=()           # FILE.KEY=VALUE, a setting for this run, e.g. dlglc.gate.mode=fixed; may be given several times
data=            # where the data directories go, under data/; empty = data/<corpus>
exp=             # where models, scores and the report go, under exp/; empty = exp/<corpus>
rounds=3         # rounds of DLG-LC training; the paper has up to 5
from=            # published encoder to adapt, instead of stage 3: campplus, or a file as local/import_encoder.py takes
initial_model=   # model.pt whose encoder stage 3 starts from; empty = random weights
initial=         # encoder of each round: previous (the round before), or a system of <exp>; empty = the last of stage 3
first_labels=    # of the first round, "utterance label" lines of your own; empty = the clusters of its first encoder
variant=round    # name of the rounds: <exp>/<variant>1, <variant>2, …; another one stands beside the first
systems=         # that stage 6 scores; empty = mfcc, untrained, those of stage 3 and the rounds
final=false      # score also trials_final*, of the speakers that are kept for the end
seed=0           # of everything that is drawn
cmd=utils/run.pl # how jobs start: here, or "utils/queue.pl --mem 8G" through Slurm
nj=auto          # parallel jobs over utterances; auto = one per core
ngpu=auto        # GPUs of a training; auto = all of this machine, 0 = CPU; through Slurm, give a number
device=auto      # of the models; auto = cuda if ngpu is above 0, else cpu. With cpu, a training has ngpu processes
num_nodes=1      # nodes of a training, each with ngpu GPUs; more than one through Slurm only
max_hours=       # after which a training stops, with a checkpoint, for queues with a limit; the same command goes on
overwrite=false  # discard trainings in <exp> that were made with other settings, instead of stopping there
status=false     # show where the experiment stands: done, running, stale and why; run nothing
diagnose=false   # name what went wrong in the experiment, with remedies; run nothing
verify=false     # read all outputs of <data> and <exp>, and compare them with their checksums; run nothing
dry_run=false    # print the settings that differ from the defaults and the commands of the stages; run nothing
# end options
. utils/parse_options.sh
refuse_words "$@"
. ./path.sh
. utils/stages.sh

check_settings

# Arrows of the pipeline that several stages draw.
embed() { # SYSTEM SET; a system without a model brings its embeddings with it
  local model
  model=$(model_of "$1")
  [ -f "$model" ] || [ ! -f "$exp/$1/$2/embedding.scp" ] || return 0
  local tables=embedding.scp hidden=()
  if [ "$cached_parts" -gt 0 ]; then
    hidden=(--trained-parts "$cached_parts")
    if [ "$1" = start ]; then tables+=,hidden.scp; else hidden+=(--hidden "$exp/start/$2"); fi
  fi
  map "${model_jobs[@]}" "$data/$2" "$exp/$1/$2" "$tables" steps/extract_embeddings.py --device "$device" \
    "${hidden[@]}" "$model"
}
make_clusters() { # SYSTEM [SYSTEM-BEFORE]
  local out=$exp/$1/clusters
  job --gpu "$((gpus > 0))" "$exp/$1/log/cluster.log" steps/cluster.py "${cluster_settings[@]}" --seed "$seed" --device "$device" \
    "$exp/$1/train/embedding.scp" "$out"
  if has_truth; then
    here steps/cluster_quality.py "$out/utt2cluster" "$data/train/utt2spk.truth" "$out/quality.json"
  else
    job --gpu "$((gpus > 0))" "$exp/$1/log/assess.log" steps/assess_clusters.py "${cluster_settings[@]}" --seed "$seed" \
      --device "$device" --data "$data/train" \
      ${2:+--before "$exp/$2/clusters/utt2cluster"} "$exp/$1/train/embedding.scp" "$out"
  fi
}
score() { # SYSTEM NAME OPTION...: every trial list of the evaluation set
  local list out speakers=()
  [ ! -f "$data/eval/utt2spk.truth" ] || speakers=(--utt2spk "$data/eval/utt2spk.truth") # for intervals
  for list in $(trial_lists); do
    out=$exp/$1/scores/$2${list#trials}
    job "$exp/$1/log/score_${out##*/}.log" steps/score_trials.py "${backend_settings[@]}" "${@:3}" \
      "$data/eval/$list" "$exp/$1/eval/embedding.scp" "$out"
    quietly steps/compute_metrics.py ${speakers[@]+"${speakers[@]}"} "$out" "$data/eval/$list" "$out.json"
  done
}

if begin 0 "the corpus"; then
  here "local/prepare_$corpus.py" corpus "$corpus_dir" "${prepare_options[@]}"
  estimate_times
fi

if begin 1 "data preparation"; then
  here "local/prepare_$corpus.py" data "$corpus_dir" "$data/local" "${prepare_options[@]}"
  for part in $(parts_of "$data/local"); do
    map "$data/local/$part" "$data/$part" recordings,wav.scp,utt2dur,utt2num_samples,utt2reco,utt2segment \
      steps/pack_audio.py --keep-going "${pack_options[@]}" "$(cutting "$part")"
    here steps/finish_data.py --max-unusable "$max_unusable" "$data/local/$part" "$data/$part"
    here utils/validate_data_dir.sh --no-feats --no-text --unlabelled true "$data/$part"
  done
  here local/make_noise.py --speech "$data/train" "${noise_options[@]}" "$data"
fi

if begin 2 "features"; then
  for part in $(parts_of "$data"); do
    map "$data/$part" "$data/$part" feats.scp,utt2num_frames steps/make_fbank.py "${fbank_settings[@]}"
  done
fi

if [ -n "$from" ] && begin 3 "the encoder to start from"; then
  check_settings
  import_start
elif [ -z "$from" ] && begin 3 "pretraining"; then
  check_settings
  train "$exp/untrained" steps/train_dino.py "${dino_settings[@]}" "${training_options[@]}" --set epochs=0 \
    "$data/train" "$exp/untrained"
  for system in "${pretrained[@]}"; do # contrastive, dino, or one after the other
    train "$exp/$system" "steps/train_$system.py" "${dino_settings[@]}" "${training_options[@]}" \
      "${start_options[@]}" "$data/train" "$exp/$system"
    start_options=(--initial-model "$exp/$system/model.pt")
  done
fi

if begin 4 "pseudo labels"; then
  for system in "${first_systems[@]}"; do
    embed "$system" train
    make_clusters "$system"
  done
fi

if begin 5 "rounds of dynamic loss gate and label correction"; then
  previous=$(first_encoder)
  for round in $(seq "$rounds"); do
    base=$initial
    [ "$initial" != previous ] || base=$previous
    system=$variant$round
    pseudo=${first_labels:-$exp/$previous/clusters/utt2cluster}
    train "$exp/$system" steps/train_dlglc.py "${dlglc_settings[@]}" "${training_options[@]}" --round "$round" \
      --embeddings "$exp/$base/train/embedding.scp" "${hidden_of_start[@]}" \
      "$data/train" "$pseudo" "$exp/$base/model.pt" "$exp/$system"
    if has_truth; then here steps/gate_quality.py "$exp/$system" "$pseudo" "$data/train/utt2spk.truth"; fi
    embed "$system" train
    make_clusters "$system" "$previous"
    previous=$system first_labels=
  done
fi

if begin 6 "scoring"; then
  for system in "${scored[@]}"; do
    if [ "$system" = mfcc ]; then
      has_trials || continue
      for part in train eval; do
        job "$exp/mfcc/log/$part.log" local/mfcc_baseline.py "$data/$part" "$exp/mfcc/$part"
      done
      score mfcc cosine --backend cosine --mean-from "$exp/mfcc/train/embedding.scp"
      continue
    fi
    train_scp=$exp/$system/train/embedding.scp clusters=$exp/$system/clusters/utt2cluster
    if ! $dry_run && [ ! -f "$clusters" ]; then # a system that somebody has put there
      embed "$system" train
      make_clusters "$system"
    fi
    job "$exp/$system/log/train_plda.log" steps/train_plda.py "${backend_settings[@]}" \
      "$train_scp" "$clusters" "$exp/$system/plda.npz"
    has_trials || continue
    embed "$system" eval
    [ -z "$from" ] || score "$system" raw --backend cosine --set whiten=0 # as the encoder comes, no mean subtracted
    score "$system" cosine --backend cosine --mean-from "$train_scp"
    score "$system" asnorm --backend cosine --mean-from "$train_scp" --cohort "$train_scp" --cohort-clusters "$clusters"
    score "$system" plda --backend plda --plda "$exp/$system/plda.npz"
  done
  if has_trials; then here steps/make_report.py --print --data "$data" "$exp"; fi
fi

if begin 7 "report"; then
  here steps/make_report.py --data "$data" "$exp"
  system=$(last_model)
  if [ -n "$system" ]; then
    job "$exp/$system/log/bundle.log" steps/make_bundle.py "${backend_settings[@]}" --seed "$seed" --data "$data" \
      "$exp/$system" "$exp/$system/bundle.dlglc"
    $dry_run || echo "The system to use with dlg-lc: $exp/$system/bundle.dlglc"
  fi
fi
finish
