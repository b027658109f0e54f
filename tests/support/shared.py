"""What is made once in a session of tests, though several workers of pytest-xdist need it."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path


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
        folder, made = self.top / name, self.top / f"{name}.made"
        with open(self.top / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # half made by a worker that failed
                folder.mkdir()
                make(folder)
                made.touch()
        return folder
