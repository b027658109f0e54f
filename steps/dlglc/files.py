"""Files that are complete or not there at all: written under another name, flushed to the disk, then renamed."""

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from .errors import RecipeError


@contextmanager
def whole_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file for writing. It gets its name when all of it is on the disk.

    After a kill, the old file or the whole new file is there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    with open(part, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def write_text(path: str | Path, text: str | Iterable[str]) -> None:
    """Write a text as UTF-8. The text may come in pieces."""
    with whole_file(path) as file:
        for piece in [text] if isinstance(text, str) else text:
            file.write(piece.encode())


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write lines of text. This adds the line ends."""
    write_text(path, (f"{line}\n" for line in lines))


def save_tensors(contents: dict[str, Any], path: str | Path) -> None:
    """Write tensors and plain containers with torch.save."""
    import torch  # here: it takes seconds to import, and most scripts write text alone

    with whole_file(path) as file:
        torch.save(contents, file)


def load_tensors(path: str | Path) -> dict[str, Any]:
    """Read what save_tensors wrote, to the CPU. No code in the file is executed (weights_only).

    Raises:
        RecipeError: the file is missing or damaged, or it is not made of tensors and plain containers alone.
    """
    import torch  # as above

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a TorchScript program, which is refused below
            contents: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return contents
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such model: run the stage that trains this model") from None
    except Exception as error:  # torch and pickle raise many kinds on a damaged file
        raise RecipeError(f"{path}: {_why_refused(str(error))}") from error


def _why_refused(said: str) -> str:
    """What is wrong with a file. torch's own message goes on with advice to switch its protection off."""
    if code := re.search(r"GLOBAL ([\w.]+)", said):
        return (
            f"refused: loading this file would run code ({code[1]}). A model file holds tensors and plain values only: "
            "take it from its publisher again, or have it saved as a state dict"
        )
    if "TorchScript" in said:
        return "this is a TorchScript program, not weights: a state dict is needed"
    return f"not a model file of this recipe, or damaged: {said.split('. ')[0][:200]}"
