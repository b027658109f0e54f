"""model.pt: an encoder with its settings and the settings of its features."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError

from ..data.fbank import Fbank
from ..errors import RecipeError
from ..files import load_tensors, save_tensors
from ..settings.messages import explain
from ..settings.schema import EncoderSettings, FbankSettings
from . import build_encoder
from .base import Encoder

OLDER_FBANK, OLDER_ENCODER = {"full_scale": 32768}, {"speechbrain": False}  # what models of version 0.2 do not say


class Model(NamedTuple):
    """The contents of a model.pt.

    Attributes:
        encoder: in evaluation mode.
        fbank: the filter bank of its features.
        encoder_settings, fbank_settings: the settings of both.
        input: wav or feats, the input that the encoder was trained on.
    """

    encoder: Encoder
    fbank: Fbank
    encoder_settings: EncoderSettings
    fbank_settings: FbankSettings
    input: str


def save_model(
    path: Path, encoder: EncoderSettings, fbank: FbankSettings, state: dict[str, torch.Tensor], inputs: str
) -> None:
    """Write a model.pt.

    Args:
        path: the file.
        encoder: settings of the encoder.
        fbank: settings of its features.
        state: state dict of the encoder.
        inputs: wav or feats, the input that the encoder was trained on.
    """
    contents = {"encoder": encoder.model_dump(), "fbank": fbank.model_dump(), "input": inputs, "state": state}
    save_tensors(contents, path)


def load_model(path: str | Path) -> Model:
    """Build the encoder and the filter bank of a model.pt.

    Raises:
        RecipeError: the file is missing, damaged, or not of this recipe.
    """
    contents: dict[str, Any] = load_tensors(path)
    missing = {"encoder", "fbank", "input", "state"} - contents.keys()
    if missing:
        raise RecipeError(f"{path}: not a model.pt of this recipe: the file lacks {', '.join(sorted(missing))}")
    try:
        encoder_settings = EncoderSettings.model_validate({**OLDER_ENCODER, **contents["encoder"]})
        fbank_settings = FbankSettings.model_validate({**OLDER_FBANK, **contents["fbank"]})
    except ValidationError as error:
        schema = EncoderSettings if error.title == "EncoderSettings" else FbankSettings
        raise RecipeError(f"{path}: settings in this model: {explain(error, schema, {})}") from None
    fbank = Fbank(fbank_settings)
    encoder = build_encoder(encoder_settings, fbank.num_mel_bins)
    encoder.load_state_dict(contents["state"])
    return Model(encoder.eval(), fbank, encoder_settings, fbank_settings, contents["input"])
