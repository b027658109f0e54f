"""Jobs in new processes, several at a time."""

import multiprocessing
import multiprocessing.connection
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from typing import Any

from dlglc.console import run
from dlglc.errors import RecipeError


def run_in_processes(work: Callable[..., None], jobs: list[tuple[Any, ...]], nj: int) -> Iterator[None]:
    """Call work(*job) for each job in a new process, `nj` at a time. Yield when a job is done.

    The processes fork from a server process without threads, which has imported the slow modules.

    Raises:
        RecipeError: a process failed or was killed. The others are stopped.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["numpy", "scipy.signal", "soundfile"])
    waiting = jobs[::-1]
    running: list[ForkServerProcess] = []
    try:
        while waiting or running:
            while waiting and len(running) < nj:
                running.append(context.Process(target=_run_job, args=(work, waiting.pop())))
                running[-1].start()
            multiprocessing.connection.wait([process.sentinel for process in running])
            for process in [p for p in running if p.exitcode is not None]:
                running.remove(process)
                if process.exitcode:
                    raise RecipeError(
                        f"a process ended with status {process.exitcode}: see the message above, then run this again"
                    )
                yield
    finally:
        for process in running:
            process.terminate()
            process.join()


def _run_job(work: Callable[..., None], job: tuple[Any, ...]) -> None:
    run(lambda: work(*job))
