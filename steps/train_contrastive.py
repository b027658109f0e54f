#!/usr/bin/env python3
"""Stage I by contrast: train a speaker encoder on unlabelled speech to tell utterances apart.

Two crops of each utterance are augmented independently. Among the crops of a batch, the encoder must find the other
crop of the same utterance. On small data this learns faster than DINO. The settings are those of conf/dino.yaml, with
the section `contrastive`. run.sh calls this script if stage1 is contrastive or contrastive+dino.

Reads   DATA_DIR/wav.scp (with input: feats, DATA_DIR/feats.scp), the data directories of --noise and --rirs.
Writes  OUT_DIR/{config.yaml, command, stamp.json, metrics.jsonl, checkpoint.pt, model.pt}
        With keep_every, OUT_DIR/epochs/NN.pt is the encoder after epoch NN.

An interrupted training resumes where it stopped. A finished one is kept.

Example
    steps/train_contrastive.py --config conf/librispeech/dino.yaml --noise data/librispeech/noise \\
        --rirs data/librispeech/rirs data/librispeech/train exp/librispeech/contrastive
"""

from pathlib import Path

from dlglc import console
from dlglc.contrastive.run import pretrain_by_contrast
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import AugmentSettings, DinoSettings, FbankSettings
from dlglc.training.options import add_training_options, training_options


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "dino", "fbank", "augment")
    add_training_options(parser)
    parser.add_argument(
        "--initial-model", type=Path, metavar="MODEL", help="model.pt whose encoder to start from (default: random)"
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    pretrain_by_contrast(
        settings_of(DinoSettings, args),
        settings_of(FbankSettings, args),
        settings_of(AugmentSettings, args),
        args.data_dir,
        args.initial_model,
        training_options(args),
    )


if __name__ == "__main__":
    console.run(main)
