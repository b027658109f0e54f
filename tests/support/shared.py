"""What is made once in a session of tests, though several workers of pytest-xdist need it."""

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest


class Shared:
    """Folders that the workers of a session share, each made by the first worker that asks for it.

    Args:
        top: a folder that all workers of this session see, and no other session.
    """

    def __init__(self, top: Path):
        self.top = top
        top.mkdir(parents=True, exist_ok=True)

    def __call__(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of that name; make(folder) fills it. Other workers wait meanwhile. Tests must not change it."""
        folder, made, failed = (self.top / f"{name}{end}" for end in ("", ".made", ".failed"))
        with open(self.top / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if failed.exists():  # what takes minutes to fail does so once
                pytest.fail(f"{name} could not be made: {failed.read_text()}", pytrace=False)
            if not made.exists():
                folder.mkdir()
                try:
                    make(folder)
                except BaseException as error:
                    failed.write_text(str(error))
                    raise
                made.touch()
        return folder
