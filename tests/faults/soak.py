"""A training of very many short epochs: memory, open files, threads and processes stay flat."""

import math
import re
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from faults.forks import session_of
from support import scripts
from support.training import dino_arguments

GROWTH = 1.02  # of the memory between the second and the last quarter, at most


class Sample(NamedTuple):
    """What the processes of a training hold.

    Attributes:
        memory: bytes that are each process's own (RssAnon), all together.
        files, threads, processes: number of open files, threads and processes, all together.
    """

    memory: int
    files: int
    threads: int
    processes: int


def sample(session: int) -> Sample:
    """Sums over the processes of a session; those that end meanwhile are left out."""
    found = []
    for pid in session_of(session):
        try:
            folder = Path(f"/proc/{pid}")
            own = 1024 * int(re.search(r"^RssAnon:\s+([0-9]+)", (folder / "status").read_text(), re.MULTILINE)[1])
            files, threads = (len(list((folder / name).iterdir())) for name in ("fd", "task"))
            found.append((own, files, threads, 1))
        except (OSError, TypeError):
            continue
    return Sample(*map(sum, zip(*found))) if found else Sample(0, 0, 0, 0)


class Soaked(NamedTuple):
    """What a long training showed.

    Attributes:
        wrong: what grew, or nothing.
        slopes: growth of each figure per epoch, by least squares over all samples behind the first quarter.
        first, last: samples behind the first quarter, and at the end.
        epochs, seconds: how many it had, and how long it took.
    """

    wrong: str
    slopes: dict[str, float]
    first: Sample
    last: Sample
    epochs: int
    seconds: float

    def __str__(self) -> str:
        day = 86400 / self.seconds * self.epochs
        growth = self.slopes["memory"]
        pairs = zip(Sample._fields, self.first, self.last)
        figures = ", ".join(f"{name} {before} to {after}" for name, before, after in pairs)
        return (
            f"{self.epochs} epochs in {self.seconds:.0f} s: {figures}; memory {growth:+.0f} bytes per epoch, "
            f"which would be {growth * day / 1e6:+.1f} MB in 24 hours of {day:.0f} such epochs"
        )


def soak(tiny: Path, out: Path, epochs: int) -> Soaked:
    """Train for many epochs, and look at the processes every quarter second."""
    words = dino_arguments(tiny, out, f"epochs={epochs}", "workers=1", "optimiser.lr=1e-5", "optimiser.final_lr=1e-6")
    started = time.monotonic()
    process = scripts.start("steps/train_dino.py", *words, start_new_session=True, stdout=subprocess.DEVNULL)
    samples, done = [], []
    while process.poll() is None:
        found, epoch = sample(process.pid), lines_of(out / "metrics.jsonl")
        if epoch:
            samples.append(found)
            done.append(epoch)
        time.sleep(0.25)
    seconds, quarter = time.monotonic() - started, len(samples) // 4
    kept, at = np.array(samples[quarter:-2], dtype=float), np.array(done[quarter:-2], dtype=float)
    if process.returncode or len(kept) < 60:
        ended = f"it ended with {process.returncode} after {len(samples)} samples"
        return Soaked(ended, {"memory": math.nan}, samples[0], samples[-1], epochs, seconds)
    slopes = {name: float(np.polyfit(at, kept[:, i], 1)[0]) for i, name in enumerate(Sample._fields)}
    wrong = []
    for i, name in enumerate(Sample._fields):
        # Open files come and go with the batches that are on their way: their usual number counts, not the highest.
        usual = np.median if name == "files" else np.max
        before, after = usual(kept[: len(kept) // 3, i]), usual(kept[-len(kept) // 3 :, i])
        if after > before * (GROWTH if name == "memory" else 1):
            wrong.append(f"{name} grew from {before:.0f} to {after:.0f}")
    return Soaked("; ".join(wrong), slopes, samples[quarter], samples[-3], epochs, seconds)


def lines_of(path: Path) -> int:
    """Number of lines of a file, 0 if it is not there."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
