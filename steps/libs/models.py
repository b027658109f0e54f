"""Files that hold tensors: model.pt, which is all that a user of the encoder needs, and training checkpoints."""

import os
from pathlib import Path

import torch

from .cli import RecipeError
from .encoders import build_encoder
from .fbank import Fbank


def save_atomically(contents: dict, path: Path) -> None:
    """torch.save to .tmp, fsync, rename: a kill leaves the old file or the new one."""
    path = Path(path)
    part = path.with_name(path.name + ".tmp")
    with open(part, "wb") as file:
        torch.save(contents, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load(path: str | Path) -> dict:
    """Tensors and plain containers of a file (weights_only: nothing in it is executed), on the CPU.

    Raises:
        RecipeError: missing or damaged file.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such model: has the stage that trains it been run?") from None
    except Exception as error:  # torch and pickle raise many kinds on a damaged file
        raise RecipeError(f"{path}: not a model file of this recipe, or damaged: {error}") from error


def save_model(path: Path, encoder_config: dict, fbank_config: dict, state: dict, inputs: str) -> None:
    """Write model.pt: the encoder's weights with the configurations that rebuild it and its features."""
    save_atomically({"encoder": encoder_config, "fbank": fbank_config, "input": inputs, "state": state}, path)


def load_model(path: str | Path) -> tuple[torch.nn.Module, Fbank, dict]:
    """Rebuild encoder and filter bank from a model.pt.

    Returns:
        encoder in evaluation mode, filter bank, and the dict with keys encoder, fbank, input (configurations).
    """
    model = load(path)
    missing = {"encoder", "fbank", "input", "state"} - model.keys()
    if missing:
        raise RecipeError(f"{path}: not a model.pt of this recipe: it lacks {', '.join(sorted(missing))}")
    fbank = Fbank(model["fbank"])
    encoder = build_encoder(model["encoder"], fbank.num_mel_bins)
    encoder.load_state_dict(model.pop("state"))
    return encoder.eval(), fbank, model
