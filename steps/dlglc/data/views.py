"""From batches of crops to the input of the encoder, on the training device."""

import torch

from .augment import PLAN, Augmenter
from .crops import Batch
from .fbank import Fbank, encoder_input


class Views:
    """Turns batches into filter bank energies. No other module of the training tells waveforms from features.

    Args:
        fbank: on the training device.
        augmenter: of waveforms; None = no augmentation.
        hidden: the batches have frames of hidden.scp. They are taken as they are.
    """

    def __init__(self, fbank: Fbank, augmenter: Augmenter | None, hidden: bool = False):
        self.fbank = fbank
        self.augmenter = augmenter
        self.hidden = hidden

    def __call__(self, batch: Batch, v: int, augmented: bool = True) -> torch.Tensor:
        """The features of a view, (count·B, T, F). The mean over time of each crop is subtracted.

        Args:
            batch: from Crops.batch or FeatureCrops.batch, on the training device.
            v: number of the view, from 0.
            augmented: False = without augmentation.
        """
        if self.hidden:
            return batch[f"feats{v}"]
        if f"feats{v}" in batch:
            return encoder_input(batch[f"feats{v}"], None)
        waves = batch[f"wave{v}"]
        if augmented and self.augmenter:
            waves = self.augmenter.apply(waves, {k: batch[f"{k}{v}"] for k in PLAN})
        return encoder_input(waves, self.fbank)
