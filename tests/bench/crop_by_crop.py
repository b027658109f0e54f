"""A trainer as the public toolkits do its steps: crop_by_crop.py steps/train_dino.py ARGUMENT...

The trainer itself runs, its loop, losses and optimiser untouched. What is put in its place: augmentation and filter
bank energies crop by crop in the reading processes, one forward per crop, the encoder layer by layer on (batch,
channel, time) as layers.py has it. Reading stays ours, a recording once. Clean views are not served, so stage II needs
correction.mode=none.
"""

import copy
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

import torch  # noqa: E402
from layers import layer_by_layer  # noqa: E402

from dlglc.encoders.ecapa_tdnn import EcapaTdnn  # noqa: E402


class Crops(dataset.Crops):
    """Batches of features, each crop augmented and analysed by itself where it is read."""

    def __init__(self, data_dir, fbank, views, augmenter, seed):
        super().__init__(data_dir, fbank, views, augmenter, seed)
        self.fbank = copy.deepcopy(fbank)  # the trainer moves its own to the GPU

    def batch(self, epoch, rows):
        batch = super().batch(epoch, rows)
        out = {"index": batch["index"]}
        for v, _ in enumerate(self.views):
            out[f"feats{v}"] = torch.cat([self.features(batch, v, at) for at in range(len(batch[f"wave{v}"]))])
        return out

    def features(self, batch: dict, v: int, at: int) -> torch.Tensor:
        """(1, T, F) of one crop."""
        wave = batch[f"wave{v}"][at : at + 1].float()
        if self.augmenter:
            reverb, noise = batch[f"rir_row{v}"] == at, batch[f"noise_row{v}"] == at
            plan = {"rir": batch[f"rir{v}"][reverb], "noise": batch[f"noise{v}"][noise], "snr": batch[f"snr{v}"][noise]}
            plan |= {"rir_row": torch.zeros_like(plan["rir"]), "noise_row": torch.zeros(int(noise.sum())).long()}
            wave = self.augmenter.apply(wave, plan)
        return self.fbank(wave)


class Views(dataset.Views):
    """Knows how many utterances the present batch has, so that the encoder can take its crops apart."""

    utterances = 0

    def __init__(self, fbank, augmenter):
        super().__init__(None, None)

    def __call__(self, batch, v, augmented=True):
        Views.utterances = len(batch["index"])
        return super().__call__(batch, v, augmented)


def forward(encoder: EcapaTdnn, feats: torch.Tensor) -> torch.Tensor:
    """Embeddings of crop-major feats, a forward per crop."""
    return torch.cat([layer_by_layer(encoder, crop) for crop in feats.split(Views.utterances)])


if __name__ == "__main__":
    dataset.Crops, dataset.Views, EcapaTdnn.forward = Crops, Views, forward
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
