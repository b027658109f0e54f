"""A published encoder as an ONNX file. It gives embeddings and cannot be trained.

Beside the file stands a .json of the same name: the toolkit that trained the encoder, and with it the features that the
network takes. local/import_encoder.py writes both.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..data.fbank import Fbank
from ..errors import RecipeError
from ..files import read_json, whole_file, write_text
from ..networks import open_network, run_network
from ..settings import load_settings
from ..settings.schema import FbankSettings
from .base import Encoder, Part
from .models import Model, load_model

MELS = 80
FEATURES = {  # as the toolkits train; all subtract the mean of each recording
    "3dspeaker": ["window=povey", "full_scale=1"],
    "wespeaker": ["window=hamming", "full_scale=32768"],
}
WAVEFORM = "waveform"  # the toolkit of networks that compute their features themselves, as this recipe exports them
# Names of the input, and what the files of sherpa-onnx say as their framework.
TOOLKITS = {"feats": "wespeaker", "feature": "3dspeaker", "waveform": WAVEFORM}
FRAMEWORKS = {"wespeaker": "wespeaker", "3d-speaker": "3dspeaker"}
INT16 = 32768.0


class OnnxEncoder(Encoder):
    """Energies (B, T, F), or samples (B, N) in the int16 range where `waveform` is set, to embeddings (B, D).

    Args:
        content: the ONNX file.
        toolkit: one of FEATURES, or WAVEFORM; None = as the file says.

    Attributes:
        toolkit: as given or found.
        num_mel_bins: F.
        waveform: whether samples are wanted.
        embedding_dim: D.

    Raises:
        RecipeError: the file is damaged, is another kind of network, or does not say what features it takes.
    """

    def __init__(self, content: bytes, toolkit: str | None = None):
        super().__init__()
        self.network = open_network(content)
        self.input = self._input()
        said = self.network.get_modelmeta().custom_metadata_map.get("framework", "")
        if said and said not in FRAMEWORKS:
            raise RecipeError(f"a network of the framework {said!r}; those of {' and '.join(FRAMEWORKS)} are taken")
        self.waveform = len(self.input.shape) == 2
        found = WAVEFORM if self.waveform else toolkit or FRAMEWORKS.get(said) or TOOLKITS.get(self.input.name)
        if found is None or self.waveform != (found == WAVEFORM):
            raise RecipeError(
                f"the input {self.input.name!r} does not say who trained this network: pass --toolkit "
                f"{' or '.join(FEATURES)} to local/import_encoder.py"
            )
        self.toolkit = found
        width = self.input.shape[-1]
        self.num_mel_bins = width if isinstance(width, int) and not self.waveform else MELS
        self.embedding_dim = int(self(torch.zeros(1, 16000) if self.waveform else torch.zeros(1, 200, MELS)).shape[1])

    def _input(self) -> Any:
        """The only input: float32, (batch, frames, mels) or (batch, samples)."""
        inputs = self.network.get_inputs()
        kinds = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) not in (2, 3):
            raise RecipeError(
                f"this network takes {kinds}: one input is wanted, energies (batch, frames, mel bins) or a waveform "
                "(batch, samples)"
            )
        width = inputs[0].shape[-1]
        if len(inputs[0].shape) == 3 and isinstance(width, int) and width != MELS:
            raise RecipeError(f"this network takes {kinds}: {MELS} mel bins are wanted")
        return inputs[0]

    def parts(self) -> list[Part]:
        """One part, without parameters."""
        return [Part([], self.run)]

    def run(self, x: torch.Tensor) -> torch.Tensor:
        """Energies or samples to embeddings."""
        x = x / INT16 if self.waveform else x
        outputs = run_network(self.network, None, {self.input.name: x.float().cpu().numpy()})
        found = [output for output in outputs if output.ndim == 2 and len(output) == len(x)]
        if len(found) != 1:
            shapes = ", ".join(str(output.shape) for output in outputs)
            raise RecipeError(f"this network gives {shapes}: one output (batch, dimensions) is wanted")
        return torch.from_numpy(found[0])


class OnnxModel(NamedTuple):
    """An ONNX file with its features, as Model for model.pt."""

    encoder: OnnxEncoder
    fbank: Fbank
    fbank_settings: FbankSettings
    input: str


def import_onnx(source: Path, target: Path, toolkit: str | None) -> OnnxModel:
    """Check an ONNX file and copy it, with the .json beside it.

    Args:
        source: the file. A .json beside it may say the toolkit.
        target: the copy.
        toolkit: that trained it; None = as the files say.

    Raises:
        RecipeError: as OnnxEncoder.
    """
    beside = source.with_suffix(".json")
    if toolkit is None and beside.exists() and isinstance(found := read_json(beside), dict):
        toolkit = found.get("toolkit") if found.get("toolkit") in FEATURES else None
    content = _read(source)
    model = _open(source, content, toolkit)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.resolve() != target.resolve():
        with whole_file(target) as file:
            file.write(content)
    write_text(target.with_suffix(".json"), json.dumps({"toolkit": model.encoder.toolkit}) + "\n")
    return model


def open_encoder(path: Path) -> Model | OnnxModel:
    """The encoder of a model.pt, or of an ONNX file that local/import_encoder.py wrote.

    Raises:
        RecipeError: as load_model and OnnxEncoder; the .json beside an ONNX file is missing.
    """
    if path.suffix != ".onnx":
        return load_model(path)
    toolkit = read_json(path.with_suffix(".json")).get("toolkit")
    return _open(path, _read(path), toolkit if toolkit in FEATURES else None)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from error


def _open(path: Path, content: bytes, toolkit: str | None) -> OnnxModel:
    try:
        encoder = OnnxEncoder(content, toolkit)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    words = [f"num_mel_bins={encoder.num_mel_bins}", *FEATURES.get(encoder.toolkit, [])]
    fbank = load_settings(FbankSettings, words=words)
    return OnnxModel(encoder, Fbank(fbank), fbank, "wav")
