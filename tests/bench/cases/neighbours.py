"""Cases about a training that shares its machine with other work."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from encoder_steps import StepsElsewhere
from measure import Peer, compare

WIDTH = "C=96, stride 2"
STEPS = 5  # in a turn


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    with ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(process.kill)
        yield


def neighbour() -> None:
    """Training steps on all cores, alone and beside five busy processes for two cores, on the wall clock"""
    cores = len(os.sched_getaffinity(0))
    as_set = {**os.environ, "OMP_NUM_THREADS": str(cores)}
    spinning = {key: value for key, value in as_set.items() if key != "GOMP_SPINCOUNT"}  # path.sh sets it
    with ExitStack() as stack:
        ours, spin, one = (
            stack.enter_context(StepsElsewhere(WIDTH, "ours", environment, wall=True, steps=STEPS))
            for environment in (as_set, spinning, {**as_set, "OMP_NUM_THREADS": "1"})
        )
        for others in (5 * cores // 2, 0):
            beside = f"beside {others} busy processes" if others else "alone"
            work = f"{STEPS} steps of ECAPA-TDNN {WIDTH} on {cores} cores {beside}, wall clock"
            peers = {
                "threads that look 300,000 times (libgomp's default)": Peer(spin, goal=2 if others else 0.9),
                "one thread": Peer(one),
            }
            with busy_processes(others):
                compare(work, ours, peers)
