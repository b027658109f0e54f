#!/usr/bin/env python3
"""Stage II: one round of AAM-softmax training on pseudo labels, with dynamic loss gate and label correction.

Reads   DATA_DIR/wav.scp (with input: feats, DATA_DIR/feats.scp), the data directories of --noise and --rirs,
        UTT2CLUSTER (`utterance cluster` lines), MODEL, whose encoder and filter bank the round starts from.
Writes  OUT_DIR/{config.yaml, command, stamp.json, metrics.jsonl, checkpoint.pt, model.pt}.
        OUT_DIR/gate/epochNN.npz of each epoch: the decision (0 dropped, 1 kept, 2 corrected) and the target cluster of
        every utterance, in the order of DATA_DIR.

An interrupted training resumes where it stopped. A finished one is kept.

Example
    steps/train_dlglc.py --config conf/mini/dlglc.yaml --round 1 --noise data/mini/noise --rirs data/mini/rirs \\
        data/mini/train exp/mini/dino/clusters/utt2cluster exp/mini/dino/model.pt exp/mini/round1
"""

from pathlib import Path

from dlglc import console
from dlglc.rounds.run import RoundFiles, train_round
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import AugmentSettings, DlglcSettings
from dlglc.training.options import add_training_options, training_options


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "dlglc", "augment")
    add_training_options(parser)
    parser.add_argument("--round", type=int, default=1, help="number of this round, from 1 (default: 1)")
    parser.add_argument(
        "--embeddings", type=Path, metavar="SCP", help="embeddings of DATA_DIR by MODEL, for classifier: centroids"
    )
    parser.add_argument(
        "--hidden", type=Path, metavar="DIR", help="folder with hidden.scp of DATA_DIR by MODEL, for adapt.cache"
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("utt2cluster", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    train_round(
        settings_of(DlglcSettings, args),
        settings_of(AugmentSettings, args),
        RoundFiles(args.data_dir, args.utt2cluster, args.model, args.embeddings, args.hidden),
        args.round,
        training_options(args),
    )


if __name__ == "__main__":
    console.run(main)
