"""Speaker encoders: filter bank energies (B, T, F) to embeddings (B, D). One module each, one entry here."""

import inspect

from torch import nn

from ..settings.schema import EncoderSettings
from .campplus import CamPlusPlus
from .ecapa_tdnn import EcapaTdnn
from .resnet34 import ResNet34

ENCODERS = {"ecapa_tdnn": EcapaTdnn, "resnet34": ResNet34, "campplus": CamPlusPlus}


def build_encoder(settings: EncoderSettings, num_mel_bins: int) -> nn.Module:
    """Make the encoder that the section `encoder` of conf/dino.yaml describes; it takes the keys that it knows."""
    encoder = ENCODERS[settings.name]
    known = inspect.signature(encoder).parameters
    return encoder(num_mel_bins, **{key: value for key, value in settings.model_dump().items() if key in known})
