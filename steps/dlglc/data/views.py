"""From batches of crops to what the encoder sees, on the training device."""

import torch

from .augment import PLAN, Augmenter
from .crops import Batch
from .fbank import Fbank


class Views:
    """Batches to filter bank energies on the training device; the one place that knows waveforms from features."""

    def __init__(self, fbank: Fbank, augmenter: Augmenter | None):
        self.fbank = fbank
        self.augmenter = augmenter

    def __call__(self, batch: dict, v: int, augmented: bool = True) -> torch.Tensor:
        """View v of a batch as (count·B, T, F), each crop's mean over time subtracted; clean if not augmented."""
        if f"feats{v}" in batch:
            feats = batch[f"feats{v}"]
        else:
            waves = batch[f"wave{v}"].float()
            if augmented and self.augmenter:
                waves = self.augmenter.apply(waves, {k: batch[f"{k}{v}"] for k in PLAN})
            feats = self.fbank(waves)
        return feats - feats.mean(1, keepdim=True)
