"""Folders for the files of a case."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import ROOT

WORK = ROOT / "exp/bench"


@contextmanager
def new_folder() -> Iterator[Path]:
    """A new folder on the disk of the repository. It is removed at the end."""
    WORK.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=WORK))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
