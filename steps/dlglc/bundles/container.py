"""The file of a bundle: a zip archive with a list of checksums.

Any program that opens zip archives shows what is in it. `unzip` and `sha256sum -c SHA256SUMS` check it by hand.
"""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import RecipeError
from ..files import check_archive, whole_file

SUMS = "SHA256SUMS"
ONNX, WEIGHTS, ARRAYS, CARD, PAGE, SPEECH = (
    *("model.onnx", "model.pt", "backend.npz", "card.json"),
    *("card.md", "speech.onnx"),
)


class Bundle(NamedTuple):
    """The contents of a bundle.

    Attributes:
        path: its file.
        id: the first 16 digits of the SHA-256 of its list of checksums. It changes if any part changes.
        parts: the bytes of each part by its name.
    """

    path: Path
    id: str
    parts: dict[str, bytes]


def write_bundle(path: Path, parts: dict[str, bytes]) -> str:
    """Write the parts and their checksums. The same parts give the same file, to the byte.

    Returns:
        The bundle's id.
    """
    sums = checksums(parts)
    with whole_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {**parts, SUMS: sums}.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # its time is 1980: that of now would change the bytes
    return short_id(sums)


def read_bundle(path: str | Path) -> Bundle:
    """Read a bundle and compare all parts with their checksums.

    Raises:
        RecipeError: the file is missing, damaged, or not a bundle.
    """
    path = Path(path)
    try:
        check_archive(path)  # parts that grow when they are unpacked are refused, before they are
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such bundle: steps/make_bundle.py or stage 7 of run.sh makes one") from None
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError) as error:
        raise RecipeError(f"{path}: not a bundle, or a damaged one: {error}: make or copy it again") from None
    sums = parts.pop(SUMS, b"")
    missing = sorted({ONNX, ARRAYS, CARD, SPEECH} - parts.keys())
    if missing:
        raise RecipeError(f"{path}: not a bundle: it lacks {', '.join(missing)}: steps/make_bundle.py makes one")
    if checksums(parts) != sums:
        wrong = [name for name, content in parts.items() if line_of(name, content).encode() not in sums.splitlines()]
        raise RecipeError(f"{path}: {', '.join(wrong) or SUMS} was changed or damaged: make or copy the bundle again")
    return Bundle(path, short_id(sums), parts)


def checksums(parts: dict[str, bytes]) -> bytes:
    """The list of checksums, in the form that sha256sum reads."""
    return "".join(f"{line_of(name, parts[name])}\n" for name in sorted(parts)).encode()


def line_of(name: str, content: bytes) -> str:
    """A line of the list of checksums."""
    return f"{hashlib.sha256(content).hexdigest()}  {name}"


def short_id(sums: bytes) -> str:
    """The id of a bundle by its list of checksums."""
    return hashlib.sha256(sums).hexdigest()[:16]


def pack_arrays(arrays: dict[str, Array]) -> bytes:
    """Arrays as the bytes of a .npz."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            part = io.BytesIO()
            np.save(part, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), part.getvalue())  # np.savez would write the time
    return buffer.getvalue()


def unpack_arrays(content: bytes) -> dict[str, Any]:
    """What pack_arrays made.

    Raises:
        ValueError: an array has something else than finite numbers in it, or grows when it is unpacked.
        Exception: of other types, from zipfile and numpy, if the content is damaged.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(part.file_size for part in archive.infolist()) > len(content):
            raise ValueError("its parts are compressed or overlap, which no bundle of this recipe has")
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = dict(stored)
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise ValueError(f"{name} has something else than finite numbers in it")
    return arrays
