"""Embeddings and features in Kaldi's ark and scp files.

kaldiio writes them, and reads the forms that are not stored row by row.
"""

import os
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import kaldiio
import numpy as np

from ..arrays import Array
from ..errors import RecipeError
from ..provenance import recorded_hash
from .audio import open_file
from .columns import Column, read_columns

_ARK = re.compile(r"^(.+):([0-9]{1,18})$")
_PLACE = re.compile(r"^(.+?)(?::([0-9]{1,18}))?(?:\[[^]]*\])?$")  # file, offset, slice
_FLOATS = {b"FM": "<f4", b"FV": "<f4", b"DM": "<f8", b"DV": "<f8"}
_INTEGERS = {b"CM2": ("<u2", 65535), b"CM3": ("u1", 255)}


class StoredArray:
    """A matrix or vector in an ark. Its header gives its shape, and any range of its rows can be read.

    Only the rows that are asked for are read. Two forms are read whole: Kaldi's 8-bit form for speech features (CM,
    stored by columns), and text. No content is executed: a command (pipe) or a pickle is refused.

    Args:
        where: second column of an scp.

    Attributes:
        shape: (rows, columns), or (elements,) of a vector.

    Raises:
        Exception: of many types, some from kaldiio and struct. All of them mean that the place cannot be read.
    """

    def __init__(self, where: str):
        self.whole: Array | None = None
        self.low, self.step = 0.0, 1.0
        place = _ARK.match(where)
        kind, head = b"", b""
        if place:
            self.file, offset = open_file(place[1]), int(place[2])
            head = os.pread(self.file, 24, offset)
            kind = head[2 : max(2, head.find(b" "))] if head[:2] == b"\0B" else b""
        if kind in _FLOATS:
            self.dtype = np.dtype(_FLOATS[kind])
            self.shape: tuple[int, ...] = struct.unpack_from("<xixi" if kind.endswith(b"M") else "<xi", head, 5)
            self.begin = offset + 5 + 5 * len(self.shape)
        elif kind in _INTEGERS:
            name, steps = _INTEGERS[kind]
            self.dtype = np.dtype(name)
            self.low, span, *shape = struct.unpack_from("<ffii", head, 6)
            self.step = span / steps
            self.shape, self.begin = tuple(shape), offset + 22
        else:
            if "|" in (where.strip()[0], where.strip()[-1]):
                raise ValueError("this is a command, which is not run: write its output to an ark")
            named = _PLACE.match(where)
            if named and os.pread(open_file(named[1]), 3, int(named[2] or 0)) == b"PKL":
                raise ValueError("this is a pickle, which is not loaded: write it as a Kaldi matrix")
            matrix: Array = kaldiio.load_mat(where)
            self.whole, self.shape = matrix, matrix.shape

    def prefetch(self, start: int, count: int) -> None:
        """Tell the system which rows are read soon, so that the disk reads the rows of a whole batch at once."""
        if self.whole is None and hasattr(os, "posix_fadvise"):
            width = self.dtype.itemsize * self.shape[1]
            os.posix_fadvise(self.file, self.begin + start * width, count * width, os.POSIX_FADV_WILLNEED)

    def read(self, start: int = 0, out: Array | None = None) -> Array:
        """Read rows (of a vector: elements) as float32.

        Args:
            start: first row.
            out: contiguous array that is filled; None = a new array for all rows from `start` to the end.

        Raises:
            ValueError: the file ends too early.
        """
        if out is None:
            out = np.empty((self.shape[0] - start, *self.shape[1:]), dtype=np.float32)
        if self.whole is not None:
            out[:] = self.whole[start : start + len(out)]
            return out
        raw = out if self.dtype == out.dtype else np.empty(out.shape, dtype=self.dtype)
        width = self.dtype.itemsize * (self.shape[1] if len(self.shape) == 2 else 1)
        if os.preadv(self.file, [raw.data], self.begin + start * width) < raw.nbytes:
            raise ValueError("the file is cut short")
        if raw is not out:
            np.multiply(raw, np.float32(self.step), out=out, casting="same_kind")
            out += np.float32(self.low)
        return out


def write_embeddings(out_dir: str | Path, ids: Sequence[str], matrix: Array, name: str = "embedding") -> Path:
    """Write float32 vectors as NAME.ark and NAME.scp, sorted by id. The scp is written last, and is always complete.

    Args:
        out_dir: directory; it is created if necessary.
        ids: N utterance ids.
        matrix: (N, D) array.
        name: NAME.

    Returns:
        The path of the scp.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    scp = out_dir / f"{name}.scp"
    part = out_dir / f".{name}.scp.tmp"
    scp.unlink(missing_ok=True)
    matrix = np.asarray(matrix, dtype=np.float32)
    with kaldiio.WriteHelper(f"ark,scp:{out_dir / name}.ark,{part}") as writer:
        for i in sorted(range(len(ids)), key=ids.__getitem__):
            writer(ids[i], matrix[i])
    os.replace(part, scp)
    return scp


def read_embeddings(scp: str | Path) -> tuple[list[str], Array]:
    """Read an embedding scp.

    Returns:
        The ids in the order of the file, and their (N, D) float32 matrix.

    Raises:
        RecipeError: an ark cannot be read, or is not what its record says; vectors have different lengths, or a vector
            has NaN or infinity. The message names file and line.
    """
    ids, places = read_columns(scp)
    recorded_hash(Path(scp), wholly=True)
    for ark in {found[1] for found in map(_ARK.match, places) if found}:  # all of it is read below anyway
        recorded_hash(Path(ark), wholly=True)
    matrix: Array = np.empty((len(ids), 0), dtype=np.float32)
    for row, where in enumerate(places):
        try:
            stored = StoredArray(where)
            if row == 0 and len(stored.shape) == 1:
                matrix = np.empty((len(ids), *stored.shape), dtype=np.float32)
            if stored.shape == matrix.shape[1:]:
                stored.read(0, matrix[row])
        except Exception as error:  # kaldiio raises many types for a broken ark; the user needs one message
            raise RecipeError(f"{scp}:{row + 1}: cannot read {where}: {error}; extract the embeddings again") from error
        if stored.shape != matrix.shape[1:]:
            expected = "(D,)" if row == 0 else matrix.shape[1:]
            raise RecipeError(f"{scp}:{row + 1}: {ids[row]} has shape {stored.shape}, expected {expected}")
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise RecipeError(f"{scp}:{bad[0] + 1}: the embedding of {ids[bad[0]]} holds NaN or infinity: extract it again")
    return list(ids), matrix


def read_some(scp: str | Path, wanted: Callable[[Column], Array]) -> tuple[list[str], Array]:
    """Read a few embeddings of a large scp.

    Args:
        scp: the file.
        wanted: gives the rows to read, sorted, from all ids.

    Returns:
        Their ids, and their (M, D) float32 matrix.

    Raises:
        RecipeError: an ark cannot be read; the message names file and line.
    """
    ids, places = read_columns(scp)
    rows, vectors = wanted(ids).tolist(), []
    for row in rows:
        try:
            vectors.append(StoredArray(places[row]).read())
        except Exception as error:  # as above
            raise RecipeError(
                f"{scp}:{row + 1}: cannot read {places[row]}: {error}; extract the embeddings again"
            ) from error
    return [ids[row] for row in rows], np.array(vectors, dtype=np.float32)


def check_dimension(scp: str | Path, found: int, expected: int, source: str) -> None:
    """Check that embeddings have the dimension of other embeddings, so that both can be of one model.

    Args:
        scp: file of the embeddings.
        found: their dimension.
        expected: dimension of the other embeddings.
        source: the other embeddings for the message, with a verb: "plda.npz was trained on".

    Raises:
        RecipeError: the dimensions differ.
    """
    if found != expected:
        raise RecipeError(f"{scp}: {found} dimensions, but {source} {expected}: extract both with one model")


def find_rows(ids: list[str], wanted: list[str], ids_file: str | Path, wanted_file: str | Path) -> Array:
    """The row of each wanted id in `ids`.

    Args:
        ids: N ids, without duplicates.
        wanted: M ids.
        ids_file, wanted_file: the files that both are from, for messages.

    Returns:
        (M,) int64.

    Raises:
        RecipeError: an id of wanted_file is not in ids_file; the message names its line.
    """
    index = {utt: row for row, utt in enumerate(ids)}
    try:
        return np.fromiter((index[utt] for utt in wanted), dtype=np.int64, count=len(wanted))
    except KeyError as error:
        utt = error.args[0]
        raise RecipeError(
            f"{wanted_file}:{wanted.index(utt) + 1}: no embedding for '{utt}' in {ids_file}: "
            "extract it, or remove the line"
        ) from None
