"""Make a set of folders anew without ever leaving a mix, or deleting what somebody else put there."""

import shutil
from pathlib import Path

from dlglc.errors import RecipeError
from dlglc.files import write_text
from dlglc.provenance import Stamp


def _mark(stamp: Stamp) -> Path:
    return stamp.path.with_suffix(".unfinished")


def begin(stamp: Stamp, folders: list[Path]) -> None:
    """Take away an older or half-made output. A mark stands beside the stamp until finish().

    Args:
        stamp: the record of the output; gone until finish().
        folders: what is made anew.

    Raises:
        RecipeError: one of the folders exists, but neither a stamp nor a mark says that this recipe made it.
    """
    strange = [folder for folder in folders if folder.exists()]
    if strange and not stamp.path.exists() and not _mark(stamp).exists():
        raise RecipeError(
            f"{strange[0]}: already there, and not made by this script ({stamp.path} is missing): "
            "name another output directory, or move it away"
        )
    write_text(_mark(stamp), "The folders beside this file are being made, or making them was interrupted.\n")
    stamp.clear()
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)


def finish(stamp: Stamp) -> None:
    """Everything is written: put the stamp there and take the mark away."""
    stamp.write()
    _mark(stamp).unlink()
