"""Wait for something, without a word on how long it may take: a crowded machine takes its time."""

import subprocess
import time
from pathlib import Path

from support.scripts import ROOT

PATIENCE = 600  # seconds: only a test that fails gets there


def wait_for(condition, what="waited in vain", seconds=PATIENCE) -> None:
    """Return when condition() is true; the test fails if it never is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Hold:
    """A training that stands still once its checkpoint has been written so many times; see hold/sitecustomize.py.

    Args:
        folder: of this hold alone.
        checkpoints: 1 = the first one.

    Attributes:
        module: that Python has to find on its path, and
        words: that have to stand in HOLD.
        environment: with both, PYTHONPATH as path.sh has it and the module's folder in front.
    """

    def __init__(self, folder: Path, checkpoints: int):
        folder.mkdir(parents=True)
        self.folder = folder
        self.words = f"{folder}:{checkpoints}"
        self.module = ROOT / "tests/support/hold/sitecustomize.py"
        self.environment = {"PYTHONPATH": f"{self.module.parent}:{ROOT}/steps", "HOLD": self.words}

    def wait(self, process: subprocess.Popen) -> None:
        """Return when the training stands; the test fails if the process ends before."""
        wait_for(lambda: (self.folder / "held").exists() or process.poll() is not None, "no checkpoint")
        if process.poll() is not None:
            streams = [stream.read() for stream in (process.stdout, process.stderr) if stream]
            raise AssertionError(f"it ended with {process.returncode} before it could be held: {streams}")

    def eat(self, size: int) -> None:
        """Let the training that stands take so many bytes of memory."""
        (self.folder / "eat.tmp").write_text(str(size))
        (self.folder / "eat.tmp").rename(self.folder / "eat")

    def release(self) -> None:
        """Let the training go on."""
        (self.folder / "go").touch()
