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

from dlglc import console
from dlglc.contrastive.run import pretrain_by_contrast
from dlglc.training.pretraining import pretrain_by_options


def main() -> None:
    pretrain_by_options(__doc__, pretrain_by_contrast)


if __name__ == "__main__":
    console.run(main)
