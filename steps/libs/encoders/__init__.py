"""Speaker encoders: filter bank energies (B, T, F) to embeddings (B, D). One module each, one entry here."""

from torch import nn

from ..cli import RecipeError
from .ecapa_tdnn import EcapaTdnn

ENCODERS = {"ecapa_tdnn": EcapaTdnn}


def build_encoder(config: dict, num_mel_bins: int) -> nn.Module:
    """Make the encoder that the `encoder` section of a configuration describes.

    Raises:
        RecipeError: unknown name.
    """
    options = dict(config)
    name = options.pop("name")
    if name not in ENCODERS:
        raise RecipeError(f"encoder.name '{name}': choose one of {', '.join(ENCODERS)}")
    return ENCODERS[name](num_mel_bins, **options)
