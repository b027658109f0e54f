"""Make a set of folders again, without a mixture of old and new files.

Folders that this recipe has not made are never deleted.
"""

import shutil
from pathlib import Path

from dlglc.errors import RecipeError
from dlglc.files import write_text
from dlglc.provenance import Stamp


def _mark(stamp: Stamp) -> Path:
    """The file that marks an unfinished output."""
    return stamp.path.with_suffix(".unfinished")


def begin(stamp: Stamp, folders: list[Path]) -> None:
    """Delete an older or unfinished output. A mark beside the stamp says so until finish() is called.

    Args:
        stamp: the record of the output. It is removed until finish() is called.
        folders: the folders that are made again.

    Raises:
        RecipeError: a folder exists, but there is neither a stamp nor a mark of this recipe.
    """
    existing = [folder for folder in folders if folder.exists()]
    if existing and not stamp.path.exists() and not _mark(stamp).exists():
        raise RecipeError(
            f"{existing[0]}: already there, and not made by this script ({stamp.path} is missing): "
            "give another output directory, or move this folder away"
        )
    write_text(_mark(stamp), "The folders beside this file are not finished. Run the script again to finish them.\n")
    stamp.clear()
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)


def finish(stamp: Stamp) -> None:
    """Write the stamp and remove the mark. Call this when everything is written."""
    stamp.write()
    _mark(stamp).unlink()
