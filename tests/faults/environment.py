"""Disks that are full, files that may not grow, folders that may not be written to: each step says so, and the same
command ends with the same bytes once the cause is gone.
"""

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from faults.kitchen import Kitchen, Step

SIZES = (1 << 11, 1 << 12, 1 << 14, 1 << 16, 1 << 18)  # bytes
SHARES = (0, 0.2, 0.4, 0.6, 0.8, 0.95)  # of a step's output, for which a disk has room


def limit_files(size: int) -> Callable[[], None]:
    """No file may be larger (ulimit -f)."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python has it
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def with_small_files(kitchen: Kitchen) -> Iterator[tuple[str, str]]:
    """Every step with every limit of the size of files: what was done, and what is wrong."""
    for step in kitchen.steps:
        for size in SIZES:
            yield f"{step.name} with files of {size} bytes", kitchen.trial(step, before=limit_files(size))


def on_full_disk(kitchen: Kitchen) -> Iterator[tuple[str, str]]:
    """Every step on a disk (tmpfs) with room for a share of its output. Needs root."""
    with small_disk(kitchen):
        for step in kitchen.steps:
            for share in SHARES:
                yield f"{step.name} with room for {share:.0%}", _full(kitchen, step, share)


def on_read_only_disk(kitchen: Kitchen) -> Iterator[tuple[str, str]]:
    """Every step on a disk that cannot be written to. Needs root."""

    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", kitchen.work], check=True)

    with small_disk(kitchen):
        for step in kitchen.steps:
            wrong = kitchen.trial(step, before=lambda: remount("ro"), after=lambda: remount("rw"))
            yield f"{step.name} on a read-only disk", wrong


@contextmanager
def small_disk(kitchen: Kitchen) -> Iterator[None]:
    """A disk of 64 MiB as the place where steps work."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", kitchen.work], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", kitchen.work], check=True)


def _full(kitchen: Kitchen, step: Step, share: float) -> str:
    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", kitchen.work], check=True)

    def fill() -> None:  # the state before is there now
        there = os.statvfs(kitchen.work)
        size = (there.f_blocks - there.f_bfree) * there.f_frsize + int(share * kitchen.output[step.name]) // 4096 * 4096
        resize(max(4096, size))  # 0 would be no limit

    return kitchen.trial(step, before=fill, after=lambda: resize(64 << 20))
