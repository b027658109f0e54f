"""model.pt: an encoder with its settings and the settings of its features."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from torch import nn

from ..data.fbank import Fbank
from ..errors import RecipeError
from ..files import check_finite, load_tensors, save_tensors
from ..settings.messages import explain
from ..settings.schema import EncoderSettings, FbankSettings
from . import build_encoder
from .base import Encoder

OLDER_FBANK = {"full_scale": 32768}  # what models of version 0.2 do not say, and of 0.3
OLDER_ENCODER = {"speechbrain": False, "base_width": 26, "expansion": 2}


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

    Raises:
        RecipeError: a weight is NaN or infinite.
    """
    check_finite(state, path)
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
    try:
        encoder.load_state_dict(contents["state"])
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise RecipeError(f"{path}: its weights are not those of the encoder that it names: {reason}") from None
    if contents["input"] not in ("wav", "feats"):
        raise RecipeError(
            f"{path}: not a model.pt of this recipe: its input is {contents['input']!r}, not wav or feats"
        )
    check_finite(encoder.state_dict(), path)
    return Model(encoder.eval(), fbank, encoder_settings, fbank_settings, contents["input"])


def warm_start(encoder: nn.Module, path: Path, encoder_settings: EncoderSettings, fbank: FbankSettings) -> None:
    """Load the weights of a model.pt into the encoder.

    Args:
        encoder: the encoder to start from.
        path: model.pt with the same settings of encoder and features.
        encoder_settings, fbank: the settings of this training.

    Raises:
        RecipeError: the model has other settings.
    """
    start = load_model(path)
    for idea, found, wanted in (
        ("encoder", start.encoder_settings, encoder_settings),
        ("fbank", start.fbank_settings, fbank),
    ):
        there = found.model_dump()
        other = [f"{k} {there[k]}, here {v}" for k, v in wanted.model_dump().items() if there[k] != v]
        if other:
            raise RecipeError(
                f"{path}: the {idea} of this model has {'; '.join(other)}: use its settings, or start without it"
            )
    encoder.load_state_dict(start.encoder.state_dict())
