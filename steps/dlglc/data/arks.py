"""Embeddings and features in Kaldi's ark/scp; kaldiio writes, and reads what is not stored row by row."""

import os
import re
import struct
from pathlib import Path

import kaldiio
import numpy as np

from ..errors import RecipeError
from .audio import open_file
from .columns import read_columns


_ARK = re.compile(r"^(.+):(\d+)$")
_PLACE = re.compile(r"^(.+?)(?::(\d+))?(?:\[[^]]*\])?$")  # file, offset, slice
_FLOATS = {b"FM": "<f4", b"FV": "<f4", b"DM": "<f8", b"DV": "<f8"}
_INTEGERS = {b"CM2": ("<u2", 65535), b"CM3": ("u1", 255)}


class Stored:
    """A matrix or vector where an scp points: its shape by its header, and any stretch of its rows.

    No more bytes are read than asked for, but of Kaldi's 8-bit speech-feature form (CM, by columns) and text, which are
    read whole. Nothing that an scp from elsewhere names is executed: neither a command (pipe) nor a pickle.

    Args:
        where: second column of an scp.

    Attributes:
        shape: (rows, columns), or (elements,) of a vector.

    Raises:
        Exception: many kinds, kaldiio's and struct's among them; all mean that nothing readable is there.
    """

    def __init__(self, where: str):
        self.whole = None
        self.low, self.step = 0.0, 1.0
        place = _ARK.match(where)
        kind, head = b"", b""
        if place:
            self.file, offset = open_file(place[1]), int(place[2])
            head = os.pread(self.file, 24, offset)
            kind = head[2 : max(2, head.find(b" "))] if head[:2] == b"\0B" else b""
        if kind in _FLOATS:
            self.dtype = np.dtype(_FLOATS[kind])
            self.shape = struct.unpack_from("<xixi" if kind.endswith(b"M") else "<xi", head, 5)
            self.begin = offset + 5 + 5 * len(self.shape)
        elif kind in _INTEGERS:
            name, steps = _INTEGERS[kind]
            self.dtype = np.dtype(name)
            self.low, span, *shape = struct.unpack_from("<ffii", head, 6)
            self.step = span / steps
            self.shape, self.begin = tuple(shape), offset + 22
        else:
            if "|" in (where.strip()[0], where.strip()[-1]):
                raise ValueError("this is a command, which is not run: write what it prints to an ark")
            path, offset = _PLACE.match(where).groups()
            if os.pread(open_file(path), 3, int(offset or 0)) == b"PKL":
                raise ValueError("this is a pickle, which is not loaded: write it as a Kaldi matrix")
            self.whole = kaldiio.load_mat(where)
            self.shape = self.whole.shape

    def fetch(self, start: int, count: int) -> None:
        """Ask the system for rows that are to be read soon: a disk brings those of a whole batch at once."""
        if self.whole is None and hasattr(os, "posix_fadvise"):
            width = self.dtype.itemsize * self.shape[1]
            os.posix_fadvise(self.file, self.begin + start * width, count * width, os.POSIX_FADV_WILLNEED)

    def read(self, start: int = 0, out: np.ndarray | None = None) -> np.ndarray:
        """Rows (elements of a vector) from `start` on, float32: as many as the contiguous `out` has, or all.

        Raises:
            ValueError: the file ends before.
        """
        if out is None:
            out = np.empty((self.shape[0] - start, *self.shape[1:]), dtype=np.float32)
        if self.whole is not None:
            out[:] = self.whole[start : start + len(out)]
            return out
        raw = out if self.dtype == out.dtype else np.empty(out.shape, dtype=self.dtype)
        width = self.dtype.itemsize * (self.shape[1] if len(self.shape) == 2 else 1)
        if os.preadv(self.file, [raw], self.begin + start * width) < raw.nbytes:
            raise ValueError("the file is cut short")
        if raw is not out:
            np.multiply(raw, np.float32(self.step), out=out, casting="same_kind")
            out += np.float32(self.low)
        return out


def write_embeddings(out_dir: str | Path, ids: list[str], matrix: np.ndarray, name: str = "embedding") -> Path:
    """Write float32 vectors as NAME.ark + NAME.scp, sorted by id; the scp appears last, so it is never half-made.

    Args:
        out_dir: directory, made when missing.
        ids: N utterance ids.
        matrix: (N, D) array.

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


def read_embeddings(scp: str | Path) -> tuple[list[str], np.ndarray]:
    """Read an embedding scp.

    Returns:
        ids in the file's order, and their (N, D) float32 matrix.

    Raises:
        RecipeError: unreadable ark, vectors of different lengths, NaN or infinity, each by file and line.
    """
    ids, places = read_columns(scp)
    matrix = None
    for row, where in enumerate(places):
        try:
            stored = Stored(where)
            if matrix is None and len(stored.shape) == 1:
                matrix = np.empty((len(ids), *stored.shape), dtype=np.float32)
            if matrix is not None and stored.shape == matrix.shape[1:]:
                stored.read(0, matrix[row])
        except Exception as error:  # kaldiio raises many kinds on a broken ark; all mean the same to the user
            raise RecipeError(f"{scp}:{row + 1}: cannot read {where}: {error}; extract the embeddings again") from error
        if matrix is None or stored.shape != matrix.shape[1:]:
            expected = "(D,)" if matrix is None else matrix.shape[1:]
            raise RecipeError(f"{scp}:{row + 1}: {ids[row]} has shape {stored.shape}, expected {expected}")
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise RecipeError(f"{scp}:{bad[0] + 1}: the embedding of {ids[bad[0]]} holds NaN or infinity")
    return list(ids), matrix


def rows_of(ids: list[str], wanted: list[str], ids_file: str | Path, wanted_file: str | Path) -> np.ndarray:
    """Row numbers in `ids` of each wanted id.

    Raises:
        RecipeError: names the first line of wanted_file whose id is unknown.
    """
    index = {utt: row for row, utt in enumerate(ids)}
    try:
        return np.fromiter((index[utt] for utt in wanted), dtype=np.int64, count=len(wanted))
    except KeyError as error:
        utt = error.args[0]
        raise RecipeError(
            f"{wanted_file}:{wanted.index(utt) + 1}: no embedding for '{utt}' in {ids_file}: "
            "extract it, or take the line out"
        ) from None
