"""PLDA models in the three files of Kaldi's recipes: mean.vec, transform.mat (the LDA) and plda.

Kaldi's <Plda> object (src/ivector/plda.cc) has the mean of the length-normalised vectors, the transform that makes
W = I and B diagonal, and the diagonal psi. These are mu, diagonal' and psi of scoring/plda.py.

Kaldi's ivector-plda-scoring normalises the length a second time after the transform. With --normalize-length=false it
gives the scores of score_trials.py.

The files are parsed here because kaldiio cannot read <Plda>, and reads a text vector as integers if its first value is
a whole number.
"""

import re
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..errors import RecipeError
from ..files import whole_file
from ..scoring.plda import Plda

FILES = ("mean.vec", "transform.mat", "plda")


def save_kaldi_plda(path: Path, model: Plda) -> None:
    """Write the three files into a directory, binary. transform.mat has a last column only if there is an offset."""
    offset = -model.centre[:, None] if np.abs(model.centre).max() > 1e-9 else np.empty((len(model.centre), 0))
    plda = b"<Plda> " + b"".join(_binary(a) for a in (model.mu, model.diagonal.T, model.psi)) + b"</Plda> "
    for name, content in zip(FILES, (_binary(model.mean), _binary(np.hstack([model.lda.T, offset])), plda)):
        with whole_file(path / name) as file:
            file.write(b"\0B" + content)


def load_kaldi_plda(path: Path) -> Plda:
    """Read the three files, binary or text, of single or double precision.

    Raises:
        RecipeError: a file is missing or damaged, or the files do not fit together.
    """
    (mean,), (transform,), (mu, diagonal, psi) = (_load(path / name) for name in FILES)
    dimension = len(psi)
    fits = transform.shape in ((dimension, len(mean)), (dimension, len(mean) + 1))
    if not fits or mu.shape != psi.shape or diagonal.shape != (dimension, dimension):
        shapes = f"mean.vec {mean.shape}, transform.mat {transform.shape}, plda {diagonal.shape}"
        raise RecipeError(f"{path}: the three files do not fit together: {shapes}")
    centre = -transform[:, len(mean)] if transform.shape[1] > len(mean) else np.zeros(dimension)
    return Plda(mean, transform[:, : len(mean)].T, centre, mu, diagonal.T, psi)


def _binary(array: Array) -> bytes:
    sizes = b"".join(b"\4" + np.int32(n).tobytes() for n in array.shape)
    return (b"DV ", b"DM ")[array.ndim - 1] + sizes + np.ascontiguousarray(array, dtype="<f8").tobytes()


def _load(path: Path) -> list[Array]:
    begin, end = (b"<Plda> ", b"</Plda> ") if path.name == "plda" else (b"", b"")
    axes = {"mean.vec": [1], "transform.mat": [2], "plda": [1, 2, 1]}[path.name]
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file: a Kaldi PLDA is a directory with {', '.join(FILES)}") from None
    binary = data.startswith(b"\0B")
    data = data[2:] if binary else data.strip() + b" "
    try:
        if not (data.startswith(begin) and data.endswith(end)):
            raise ValueError("no <Plda> … </Plda>")
        data = data[len(begin) : len(data) - len(end)]
        arrays = _read_binary(data) if binary else _read_text(data.decode())
    except (ValueError, KeyError, IndexError) as error:
        raise RecipeError(f"{path}: not what Kaldi writes: {error}") from error
    if [array.ndim for array in arrays] != axes:
        raise RecipeError(f"{path}: expected {len(axes)} arrays of {axes} axes, found {[a.ndim for a in arrays]}")
    return arrays


def _read_binary(data: bytes) -> list[Array]:
    at, arrays = 0, []
    while at < len(data):
        dtype, axes = np.dtype({b"D": "<f8", b"F": "<f4"}[data[at : at + 1]]), {b"V": 1, b"M": 2}[data[at + 1 : at + 2]]
        # Behind the type and a blank, each size is an int32 after a byte with its length.
        shape = [int.from_bytes(data[at + 4 + 5 * axis : at + 8 + 5 * axis], "little") for axis in range(axes)]
        at += 3 + 5 * axes
        arrays.append(np.frombuffer(data, dtype, int(np.prod(shape)), at).reshape(shape).astype(np.float64))
        at += arrays[-1].size * dtype.itemsize
    return arrays


def _read_text(text: str) -> list[Array]:
    arrays = []
    for block in re.findall(r"\[(.*?)\]", text, re.DOTALL):
        rows = [np.array(line.split(), dtype=np.float64) for line in block.splitlines() if line.strip()]
        # In a matrix, the line ends after the opening bracket.
        arrays.append(np.stack(rows) if block.lstrip(" ").startswith("\n") else rows[0])
    return arrays
