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

from dlglc import console
from dlglc.dino.run import pretrain
from dlglc.training.pretraining import pretrain_by_options


def main() -> None:
    pretrain_by_options(__doc__, pretrain)


if __name__ == "__main__":
    console.run(main)
