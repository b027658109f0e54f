"""Files that are complete or not there at all: written under another name, flushed to the disk, then renamed.

Models, checkpoints and PLDA are zip archives. Each ends in a seal: the SHA-256 of all bytes before it, as the comment
of the archive. The seal is compared before anything in the file is interpreted.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np

from .arrays import Array
from .console import log
from .errors import RecipeError

NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # what file systems without locks say
BLOCK = 1 << 20  # bytes that are read or hashed together
SEAL = b"dlg-lc sha256 "  # 64 hexadecimal digits follow
SEAL_BYTES = len(SEAL) + 64


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file for writing. It gets its name when all of it is on the disk.

    After a kill, the old file or the whole new file is there. After an error, the old file alone.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    with _open_alone(part) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(part, path)  # while it is open: a process that waits for it must not take it for its own
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _open_alone(part: Path) -> BinaryIO:
    """Open an empty file. If another process is writing it, wait until that file has its name."""
    while True:
        number = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.lockf(number, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(number)
                raise
        try:
            if os.path.samestat(os.stat(part), os.fstat(number)):
                os.ftruncate(number, 0)
                return os.fdopen(number, "w+b")
        except FileNotFoundError:
            pass
        os.close(number)  # it has got its name meanwhile, or was removed


def write_text(path: str | Path, text: str | Iterable[str]) -> None:
    """Write a text as UTF-8. The text may come in pieces."""
    with whole_file(path) as file:
        for piece in [text] if isinstance(text, str) else text:
            file.write(piece.encode())


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write lines of text. This adds the line ends."""
    write_text(path, (f"{line}\n" for line in lines))


def read_json(path: str | Path) -> Any:
    """The value in a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        RecipeError: it is damaged.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise RecipeError(
            f"{path}: not JSON, or damaged: {error}: remove it and run the stage that writes it"
        ) from None


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a .jsonl file; empty if there is no such file.

    Raises:
        RecipeError: a line is damaged.
    """
    lines = []
    for number, text in enumerate(path.read_bytes().splitlines() if path.exists() else [], 1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        if not isinstance(line, dict):
            raise RecipeError(
                f"{path}:{number}: not a JSON object, or damaged: restore the file from a copy, or remove it: what was "
                "trained is kept, only its figures are lost"
            )
        lines.append(line)
    return lines


def digest_of(file: BinaryIO, stop: int) -> str:
    """SHA-256 of the bytes 0 to stop - 1 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    file.seek(0)
    while stop > 0 and (block := file.read(min(stop, BLOCK))):
        digest.update(block)
        stop -= len(block)
    return digest.hexdigest()


def seal(file: BinaryIO) -> None:
    """Append the seal to a zip archive that has no comment yet.

    The last two bytes of such an archive are the length of its comment, 0 (APPNOTE.TXT, section 4.3.16).
    """
    size = file.seek(-2, os.SEEK_END) + 2
    file.write(SEAL_BYTES.to_bytes(2, "little"))
    found = digest_of(file, size)
    file.seek(size)
    file.write(SEAL + found.encode())


def check_archive(path: str | Path) -> bool:
    """Compare an archive with its seal; without one, the archive's parts with their CRC-32.

    Returns:
        False if there is no seal: 0.2 and other programs write none.

    Raises:
        ValueError: the file is not what was written; or it says that it is larger unpacked than it is.
        zipfile.BadZipFile: the archive is cut short.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - SEAL_BYTES))
        end = file.read()
        sealed = end.startswith(SEAL)
        if sealed and digest_of(file, size - SEAL_BYTES) != end[len(SEAL) :].decode("latin-1"):
            raise ValueError("its contents are not those that were written: its checksum differs")
        if not zipfile.is_zipfile(file):
            return False  # torch's old form; the weights of other programs may have it
        with zipfile.ZipFile(file) as archive:
            if sum(member.file_size for member in archive.infolist()) > size:
                raise ValueError("its parts are compressed or overlap, which no model of this recipe has")
            wrong = None if sealed else archive.testzip()
        if wrong is not None:
            raise ValueError(f"its part {wrong} is not what was written: its CRC-32 differs")
    return sealed


class _Writer:
    """A file for torch.save, which aborts the process on an error while it writes. The first error is kept instead."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            if self.error is None:
                self.file.write(data)
        except OSError as error:
            self.error = error
        return len(data)

    def flush(self) -> None:
        pass


def save_tensors(contents: dict[str, Any], path: str | Path) -> None:
    """Write tensors and plain containers with torch.save, and seal the file."""
    import torch  # here: it takes seconds to import, and most scripts write text alone

    with whole_file(path) as file:
        writer = _Writer(file)
        torch.save(contents, cast(IO[bytes], writer))
        if writer.error:
            raise writer.error
        seal(file)


def load_tensors(path: str | Path) -> dict[str, Any]:
    """Read what save_tensors wrote, to the CPU. No code in the file is executed (weights_only).

    Raises:
        RecipeError: the file is missing, is not what was written, or would run code.
    """
    import torch  # as above

    try:
        sealed = check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a TorchScript program, which is refused below
            contents = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such model: run the stage that trains this model") from None
    except Exception as error:  # torch and pickle raise many kinds on a damaged file
        raise RecipeError(f"{path}: {_why_refused(str(error))}") from error
    if not isinstance(contents, dict):
        raise RecipeError(f"{path}: not a model file of this recipe: it holds a {type(contents).__name__}")
    if not sealed:
        log.info("%s has no checksum inside: written by version 0.2 or another program", path)
    return contents


def _why_refused(said: str) -> str:
    """What is wrong with a file. torch's own message goes on with advice to switch its protection off."""
    if code := re.search(r"GLOBAL ([\w.]+)", said):
        return (
            f"refused: loading this file would run code ({code[1]}). A model file holds tensors and plain values only: "
            "take it from its publisher again, or have it saved as a state dict"
        )
    if "TorchScript" in said:
        return "this is a TorchScript program, not weights: a state dict is needed"
    reason = said.split(". ")[0][:200]
    if not re.search("[a-z]{3}", reason):  # of an empty file and of a text torch says nothing, or a number
        reason = "it is empty or holds something else"
    return (
        f"not a model file of this recipe, or damaged: {reason}: take another copy, or remove it and run the stage "
        "that writes it"
    )


def check_finite(state: Mapping[str, Any], path: str | Path) -> None:
    """Check the weights of a model.

    Raises:
        RecipeError: a weight is NaN or infinite.
    """
    for name, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise RecipeError(
                f"{path}: {name} has NaN or infinity in it: train again, with a lower optimiser.lr or a longer warm-up"
            )


def save_arrays(arrays: Mapping[str, Array], path: str | Path) -> None:
    """Write arrays as .npz, and seal the file."""
    with whole_file(path) as file:
        np.savez(file, **dict(arrays))  # type: ignore[arg-type]  # no array is named allow_pickle
        seal(file)


def load_arrays(path: str | Path) -> dict[str, Array]:
    """Read what save_arrays wrote. No code in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not what was written; or an array has no numbers, or NaN or infinity in it.
    """
    try:
        check_archive(path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except FileNotFoundError:
        raise
    except Exception as error:  # numpy raises many types for a damaged file
        raise ValueError(str(error) or type(error).__name__) from error
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise ValueError(f"{name} has something else than finite numbers in it")
    return arrays
