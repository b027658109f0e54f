"""Speaker encoders: filter bank energies (B, T, F) to embeddings (B, D).

Each encoder has a module of its own and an entry in ENCODERS.
"""

import inspect

from ..settings.schema import EncoderSettings
from .base import Encoder
from .campplus import CamPlusPlus
from .ecapa_tdnn import EcapaTdnn
from .eres2net import ERes2Net, ERes2NetV2
from .resnet import ResNet34, ResNet221, ResNet293

ENCODERS: dict[str, type[Encoder]] = {
    "ecapa_tdnn": EcapaTdnn,
    "resnet34": ResNet34,
    "campplus": CamPlusPlus,
    "resnet221": ResNet221,
    "resnet293": ResNet293,
    "eres2net": ERes2Net,
    "eres2netv2": ERes2NetV2,
}


def build_encoder(settings: EncoderSettings, num_mel_bins: int) -> Encoder:
    """Build the encoder that the section `encoder` of conf/dino.yaml describes.

    The encoder gets the keys that are parameters of its class. Other keys are for other encoders.

    Args:
        num_mel_bins: F.
    """
    encoder = ENCODERS[settings.name]
    known = inspect.signature(encoder).parameters
    return encoder(num_mel_bins, **{key: value for key, value in settings.model_dump().items() if key in known})
