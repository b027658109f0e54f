#!/usr/bin/env python3
"""Stage I: DINO pretraining of a speaker encoder on unlabelled speech.

Reads   DATA_DIR/wav.scp (with input: feats, DATA_DIR/feats.scp), the data directories of --noise and --rirs.
Writes  OUT_DIR/{config.yaml, command, stamp.json, metrics.jsonl, checkpoint.pt, model.pt}. model.pt is the teacher.
        With keep_every, OUT_DIR/epochs/NN.pt is the teacher after epoch NN.

An interrupted training resumes where it stopped. A finished one is kept. With epochs=0, model.pt is the untrained
encoder.

Example
    steps/train_dino.py --config conf/mini/dino.yaml --noise data/mini/noise --rirs data/mini/rirs \\
        data/mini/train exp/mini/dino
    torchrun --standalone --nproc_per_node=4 steps/train_dino.py data/voxceleb/train exp/voxceleb/dino
"""

from pathlib import Path

from dlglc import console
from dlglc.dino.run import pretrain
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

    pretrain(
        settings_of(DinoSettings, args),
        settings_of(FbankSettings, args),
        settings_of(AugmentSettings, args),
        args.data_dir,
        args.initial_model,
        training_options(args),
    )


if __name__ == "__main__":
    console.run(main)
