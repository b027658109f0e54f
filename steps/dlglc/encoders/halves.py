"""An encoder in two halves: frozen parts, whose output can be kept on the disk, and the trained parts behind them."""

import torch
from torch import nn

from ..errors import RecipeError
from .base import Encoder

PROBE = 64  # frames of a trial run


class Halves:
    """The first parts of an encoder, which are frozen, and the last ones.

    Args:
        encoder: in evaluation mode.
        num_mel_bins: F of its features.
        trained: number of last parts that are trained, 1 or more.

    Attributes:
        shape: of a frame of the frozen parts' output; it has X elements.
        stride: frames of features for each frame of that output.

    Raises:
        RecipeError: no part of the encoder would be frozen.
    """

    def __init__(self, encoder: Encoder, num_mel_bins: int, trained: int):
        parts = encoder.parts()
        if not 0 < trained < len(parts):
            raise RecipeError(
                f"adapt.trained_parts: {trained}, and this encoder has {len(parts)} parts: give 1 to {len(parts) - 1}, "
                "or adapt.cache: false"
            )
        self.frozen, self.trained = parts[:-trained], parts[-trained:]
        with torch.no_grad():
            output = self._run(torch.zeros(1, PROBE, num_mel_bins, device=next(encoder.parameters()).device))
        self.shape = output.shape[1:-1]
        self.stride = PROBE // output.shape[-1]

    def frames(self, feats: torch.Tensor) -> torch.Tensor:
        """Energies (B, T, F), less their mean, to the output of the frozen parts, (B, T', X)."""
        return self._run(feats).movedim(-1, 1).flatten(2)

    def _run(self, feats: torch.Tensor) -> torch.Tensor:
        for part in self.frozen:
            feats = part.run(feats)
        return feats


class LastParts(nn.Module):
    """The trained parts: frames (B, T', X) to embeddings (B, D). The weights are those of the encoder itself.

    Args:
        halves: of the encoder.
    """

    def __init__(self, halves: Halves):
        super().__init__()
        self.shape = halves.shape
        self.runs = [part.run for part in halves.trained]
        self.weights = nn.ModuleList(module for part in halves.trained for module in part.modules)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        x: torch.Tensor = frames.unflatten(2, self.shape).movedim(1, -1)
        for run in self.runs:
            x = run(x)
        return x
