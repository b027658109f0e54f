#!/usr/bin/env python3
"""Stage II: a round of AAM-softmax training on pseudo labels, gated by their losses, corrected by the model itself.

Reads   DATA_DIR/wav.scp (or feats.scp with input: feats), UTT2CLUSTER (`utt cluster`), MODEL to start from.
Writes  OUT_DIR/{config.yaml, command, metrics.jsonl, checkpoint.pt, model.pt}, and per epoch OUT_DIR/gate/epochNN.npz:
        decision (0 dropped, 1 kept, 2 corrected) and target cluster of every utterance, in the order of DATA_DIR.
        Resumes where it stopped; a finished run is left alone.

Example
    steps/train_dlglc.py --config conf/mini/dlglc.yaml --round 1 --noise data/mini/noise --rirs data/mini/rirs \\
        data/mini/train exp/mini/dino/clusters/utt2cluster exp/mini/dino/model.pt exp/mini/round1
"""

import hashlib
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.crops import open_crops
from dlglc.data.views import Views
from dlglc.encoders.models import load_model, save_model
from dlglc.errors import RecipeError
from dlglc.provenance import Stamp
from dlglc.rounds.labels import cluster_means, read_labels
from dlglc.rounds.task import DlgLc
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import AugmentSettings, DlglcSettings
from dlglc.training.distributed import Processes, explain_lost_process
from dlglc.training.run import add_training_options, open_augmenter, prepare_run, run_inputs, set_seed
from dlglc.training.trainer import Trainer


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "dlglc", "fbank", "augment")
    add_training_options(parser)
    parser.add_argument("--round", type=int, default=1, help="number of this round, from 1 (default: 1)")
    parser.add_argument(
        "--embeddings", type=Path, metavar="SCP", help="of DATA_DIR by MODEL; for classifier: centroids"
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("utt2cluster", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    settings = settings_of(DlglcSettings, args)
    augment = settings_of(AugmentSettings, args).model_copy(update={"probability": settings.augment_probability})
    model = load_model(args.model)
    augmenter = open_augmenter(augment, args.noise, args.rirs, model.fbank.sample_rate)
    # Rounds draw other crops: the round is part of the seed.
    seed = int(hashlib.sha256(f"{args.seed} {args.round}".encode()).hexdigest()[:8], 16)
    crops = open_crops(settings.input, args.data_dir, model.fbank, augmenter, [(1, settings.crop_seconds)], seed)
    labels, classes = read_labels(args.utt2cluster, crops.ids, args.data_dir)
    centroids = None
    if settings.classifier == "centroids":
        if args.embeddings is None:
            raise RecipeError("classifier: centroids needs --embeddings, the training set's embedding.scp by MODEL")
        centroids = cluster_means(args.embeddings, crops.ids, labels, classes)
    record = {"dlglc": settings, "augment": augment, "seed": args.seed, "round": args.round}
    embeddings = args.embeddings if centroids is not None else None
    inputs = run_inputs(args, settings.input, args.utt2cluster, args.model, embeddings)
    stamp = Stamp(args.out_dir / "stamp.json", record, inputs)

    processes = Processes(args.device)
    if prepare_run(args.out_dir, settings, stamp, processes, args.overwrite):
        set_seed(seed)
        log.info("%d utterances in %d clusters", len(labels), classes)
        views = Views(model.fbank.to(processes.device), augmenter if settings.input == "wav" else None)
        task = DlgLc(settings, model.encoder, labels, classes, centroids, views, args.round, processes, args.out_dir)
        with explain_lost_process(args.out_dir, processes):
            Trainer(task, crops, settings, args.out_dir, processes, args.max_hours).train()
        if processes.first:
            path = args.out_dir / "model.pt"
            save_model(path, model.encoder_settings, model.fbank_settings, task.final_state(), settings.input)
    processes.close()


if __name__ == "__main__":
    console.run(main)
