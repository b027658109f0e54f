"""A training of very many short epochs: memory, open files, threads and processes stay flat."""

import re
import time
from pathlib import Path
from typing import NamedTuple

from faults.forks import session_of
from support import scripts
from support.training import dino_arguments

GROWTH = 1.02  # of the memory between the second and the last quarter, at most


class Sample(NamedTuple):
    """What the processes of a training hold together.

    Attributes:
        memory: bytes in memory; what several share is counted once (Pss).
        files, threads, processes: number of open files, threads and processes.
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
            memory = 1024 * int(re.search(r"^Pss: +([0-9]+)", (folder / "smaps_rollup").read_text(), re.MULTILINE)[1])
            files, threads = (len(list((folder / name).iterdir())) for name in ("fd", "task"))
            found.append((memory, files, threads, 1))
        except (OSError, TypeError):
            continue
    return Sample(*map(sum, zip(*found))) if found else Sample(0, 0, 0, 0)


def soak(tiny: Path, out: Path, epochs: int) -> tuple[list[Sample], str]:
    """Train for many epochs; returns samples of every quarter second, and what is wrong with them."""
    words = dino_arguments(tiny, out, f"epochs={epochs}", "workers=1", "optimiser.lr=1e-5", "optimiser.final_lr=1e-6")
    process = scripts.start("steps/train_dino.py", *words, start_new_session=True)
    samples = []
    while process.poll() is None:
        samples.append(sample(process.pid))
        time.sleep(0.25)
    quarter = len(samples) // 4
    early, late = (samples[quarter : 2 * quarter], samples[3 * quarter : -2])
    if process.returncode or len(late) < 20:
        return samples, f"it ended with {process.returncode} after {len(samples)} samples"
    for name in Sample._fields:
        before, after = (max(getattr(one, name) for one in part) for part in (early, late))
        if after > before * (GROWTH if name == "memory" else 1):
            return samples, f"{name} grew from {before} to {after}"
    return samples, ""
