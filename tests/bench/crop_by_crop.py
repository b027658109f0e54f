"""Run a trainer as the public toolkits do its steps: crop_by_crop.py steps/train_dino.py ARGUMENT...

The trainer's own loop, losses and optimiser run unchanged. Three parts are replaced. Augmentation and filter bank
energies are computed crop by crop in the reading processes. Each crop is a forward pass of its own. The encoder works
layer by layer on (batch, channel, time), see layers.py. Recordings are read as in the trainer, each once per batch.

Stage II needs correction.mode=none, because there are no clean views here.
"""

import copy
import runpy
import sys

import torch
from layers import layer_by_layer

from dlglc.data import crops, views
from dlglc.data.crops import Batch
from dlglc.encoders.ecapa_tdnn import EcapaTdnn


class Crops(crops.Crops):
    """Batches of features. Each crop is augmented and analysed by itself in the process that reads it."""

    def __init__(self, data_dir, fbank, views, augmenter, seed):
        super().__init__(data_dir, fbank, views, augmenter, seed)
        self.fbank = copy.deepcopy(fbank)  # the trainer moves its own to the GPU

    def batch(self, epoch, rows) -> Batch:
        """One batch: index, and feats{v} (count·B, T, F) for each view v."""
        batch = super().batch(epoch, rows)
        out = {"index": batch["index"]}
        for v, _ in enumerate(self.views):
            out[f"feats{v}"] = torch.cat([self.features(batch, v, at) for at in range(len(batch[f"wave{v}"]))])
        return out

    def features(self, batch: Batch, v: int, at: int) -> torch.Tensor:
        """(1, T, F) energies of crop `at` of view v."""
        wave = batch[f"wave{v}"][at : at + 1].float()
        if self.augmenter:
            reverb, noise = batch[f"rir_row{v}"] == at, batch[f"noise_row{v}"] == at
            plan = {"rir": batch[f"rir{v}"][reverb], "noise": batch[f"noise{v}"][noise], "snr": batch[f"snr{v}"][noise]}
            plan |= {"rir_row": torch.zeros_like(plan["rir"]), "noise_row": torch.zeros(int(noise.sum())).long()}
            wave = self.augmenter.apply(wave, plan)
        return self.fbank(wave)


class Views(views.Views):
    """The features of a batch, less each crop's mean.

    Attributes:
        utterances: in the present batch. The encoder needs the number to separate the crops.
    """

    utterances = 0

    def __init__(self, fbank, augmenter, hidden=False):
        super().__init__(None, None)

    def __call__(self, batch: Batch, v: int, augmented: bool = True) -> torch.Tensor:
        Views.utterances = len(batch["index"])
        return super().__call__(batch, v, augmented)


def forward(encoder: EcapaTdnn, feats: torch.Tensor) -> torch.Tensor:
    """Embeddings of crop-major features, one forward pass per crop."""
    return torch.cat([layer_by_layer(encoder, crop) for crop in feats.split(Views.utterances)])


def main() -> None:
    # The trainers look both names up when they start, so they take the classes of this file.
    crops.Crops, views.Views, EcapaTdnn.forward = Crops, Views, forward
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
