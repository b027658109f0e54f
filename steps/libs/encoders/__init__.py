"""Speaker encoders: filter bank energies (B, T, F) to embeddings (B, D). One module each, one entry here."""

import inspect

from torch import nn

from ..cli import RecipeError
from .campplus import CamPlusPlus
from .ecapa_tdnn import EcapaTdnn
from .resnet34 import ResNet34

ENCODERS = {"ecapa_tdnn": EcapaTdnn, "resnet34": ResNet34, "campplus": CamPlusPlus}


def build_encoder(config: dict, num_mel_bins: int) -> nn.Module:
    """Make the encoder that the `encoder` section of a configuration describes; keys of other encoders are left alone.

    Raises:
        RecipeError: unknown name.
    """
    if config["name"] not in ENCODERS:
        raise RecipeError(f"encoder.name '{config['name']}': choose one of {', '.join(ENCODERS)}")
    encoder = ENCODERS[config["name"]]
    known = inspect.signature(encoder).parameters
    return encoder(num_mel_bins, **{key: value for key, value in config.items() if key in known})
