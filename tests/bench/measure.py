"""How one case is measured: contestants take turns, and every comparison is printed as one line of JSON.

On one thread, time is the CPU time of the process, because other work on the machine disturbs CPU time least. On more
threads, time is wall clock. Peak memory is measured in a forked copy of the process, which runs the contestant once.
Only the memory on top of the inputs counts.
"""

import ctypes
import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
ONCE = os.environ.get("BENCH_ONCE", "") not in ("", "0")

Run = Callable[[], object]


class Timed(NamedTuple):
    """What a contestant returns if it measures its own time.

    Attributes:
        seconds: the time, which counts instead of the clock.
    """

    seconds: float


class Peer(NamedTuple):
    """What ours is compared with.

    Attributes:
        run: does the work once. None: the peer is not installed.
        goal: smallest ratio of theirs to ours that meets the goal. None: the ratio is shown without a goal.
        factor: multiplies the time of a peer that does only a part of the work.
    """

    run: Run | None
    goal: float | None = None
    factor: float = 1


def clock() -> float:
    """Seconds: CPU time of this process on one thread, wall clock on more."""
    return time.process_time() if THREADS == 1 else time.monotonic()


def memory(run: Run) -> float:
    """MiB that `run` needs at its peak, on top of the memory in use now; NaN if the forked copy failed."""
    # Memory that malloc keeps from earlier work would hide what `run` needs.
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        # Whatever happens in the copy, it must not go on with the work of the original.
        try:
            before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
            run()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            os.write(writer, str((peak - before) / 2**20).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as result:
        said = result.read()
    os.waitpid(child, 0)
    return float(said) if said else float("nan")


def compare(work: str, ours: Run, peers: dict[str, Peer], repeats: int = 5, fork: bool = True) -> None:
    """Measure ours and all peers in turn and print a line of JSON for each peer.

    With BENCH_ONCE=1 each contestant runs a single time and no memory is measured.

    Args:
        work: what is done, for the table.
        ours: does the work once. If it returns a Timed, that time counts instead of the clock.
        peers: by name.
        repeats: turns. The median over the turns counts.
        fork: measure memory. It is measured on one thread only.
    """
    contestants = {"ours": Peer(ours), **peers}
    present = {name: peer.run for name, peer in contestants.items() if peer.run}
    forks = {name: fork and not ONCE and THREADS == 1 and getattr(run, "forks", True) for name, run in present.items()}
    peak = {name: memory(run) if forks[name] else float("nan") for name, run in present.items()}
    seconds: dict[str, list[float]] = {name: [] for name in present}
    for _ in range(1 if ONCE else repeats):
        for name, run in present.items():
            before = clock()
            result = run()
            seconds[name].append(result.seconds if isinstance(result, Timed) else clock() - before)
    median = {name: contestants[name].factor * statistics.median(times) for name, times in seconds.items()}
    for name, peer in peers.items():
        line = {"work": work, "peer": name, "goal": peer.goal, "factor": peer.factor, "absent": peer.run is None}
        if peer.run:
            line |= {"ours": median["ours"], "theirs": median[name], "memory": [peak["ours"], peak[name]]}
            line |= {"ratio": median[name] / median["ours"]}
        print(json.dumps(line), flush=True)
