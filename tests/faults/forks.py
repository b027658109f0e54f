"""Runs a script, or a function, in a fork of this process: with a limit of time and memory, and a signal at a moment.

A moment is a number of seconds, or a file event: the Nth time that the script opens a file for writing, or renames,
removes, cuts or makes one. The process that forks imports the large libraries once. Every trial then takes as long as
the script's own work.
"""

import contextlib
import math
import os
import re
import resource
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from support.scripts import ROOT

FILE_EVENTS = {"open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir", "os.link", "os.symlink"}
MEMORY = 6 << 30  # bytes of address space above what the parent has
PATIENCE = 120.0  # seconds; a trial that takes longer hangs


class Moment(NamedTuple):
    """When a signal is sent, and which.

    Attributes:
        event: number of the file event, from 0; None = not at an event.
        seconds: after the start; None = not at a time.
        sent: the signal.
    """

    event: int | None = None
    seconds: float | None = None
    sent: int = signal.SIGKILL


class Ended(NamedTuple):
    """How a trial ended.

    Attributes:
        status: exit status; -N = signal N.
        text: standard output and error.
        events: number of file events.
        hung: True if it was stopped after PATIENCE.
        left: processes that it left behind.
    """

    status: int
    text: str
    events: int
    hung: bool
    left: int

    @property
    def traced(self) -> bool:
        """True if the user saw a traceback, or the process crashed."""
        return "Traceback (most recent call last)" in self.text or -self.status in (4, 6, 7, 8, 11)


def run_script(
    words: list[object], scratch: Path, moment: Moment | None = None, before: Callable[[], None] | None = None
) -> Ended:
    """Run a script of the recipe, or dlg-lc: run_script(["steps/x.py", arg…], folder for its output).

    Args:
        before: what the fork does first, e.g. set a limit.
    """
    return run(script_of(words, before), scratch, moment)


def script_of(words: list[object], before: Callable[[], None] | None = None) -> Callable[[], None]:
    """A function that runs a script, or dlg-lc."""
    script, *rest = map(str, words)

    def go() -> None:
        if before:
            before()
        os.chdir(ROOT)
        if script == "dlg-lc":
            from dlglc.front.command import main

            sys.argv = [script, *rest]
            main(rest)
        sys.argv = [str(ROOT / script), *rest]
        sys.path[0] = str((ROOT / script).parent) if sys.path else ""
        runpy.run_path(sys.argv[0], run_name="__main__")

    return go


class Trial(NamedTuple):
    """What a fork does: a function, a folder for its output, and when it gets a signal."""

    go: Callable[[], None]
    scratch: Path
    moment: Moment | None = None


def run(
    go: Callable[[], None],
    scratch: Path,
    moment: Moment | None = None,
    memory: int = MEMORY,
    patience: float = PATIENCE,
) -> Ended:
    """Call a function in a fork, in a session of its own."""
    return run_together([Trial(go, scratch, moment)], memory, patience)[0]


def run_together(
    trials: list[Trial], memory: int = MEMORY, patience: float = PATIENCE, grace: float = math.inf
) -> list[Ended]:
    """Call functions in forks at the same time, each in a session of its own.

    Args:
        grace: seconds after the first failure, after which the others get SIGTERM, as launchers do.
    """
    outputs = [trial.scratch / "output" for trial in trials]
    counters = [trial.scratch / "events" for trial in trials]
    children = []
    for trial, output, counter in zip(trials, outputs, counters):
        child = os.fork()
        if child == 0:
            _child(trial.go, output, counter, trial.moment, memory)
        children.append(child)
    started, failed = time.monotonic(), math.inf
    waiting = {i: trial.moment.seconds for i, trial in enumerate(trials) if trial.moment and trial.moment.seconds}
    status: dict[int, int] = {}
    hung: set[int] = set()
    while len(status) < len(trials):
        passed = time.monotonic() - started
        for i, child in enumerate(children):
            if i in status:
                continue
            pid, code = os.waitpid(child, os.WNOHANG)
            if pid:
                status[i] = os.waitstatus_to_exitcode(code)
                failed = min(failed, passed) if status[i] else failed
            elif i in waiting and passed >= waiting[i]:
                del waiting[i]
                _send(child, trials[i].moment.sent)
            elif passed > failed + grace:
                _send(child, signal.SIGTERM)
            if passed > patience and i not in status:
                hung.add(i)
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
    left = [_left_behind(child) for child in children]
    events = [len(counter.read_bytes()) if counter.exists() else 0 for counter in counters]
    texts = ["".join(file.read_text(errors="replace") for file in (o, _errors(o)) if file.exists()) for o in outputs]
    return [Ended(status[i], texts[i], events[i], i in hung, left[i]) for i in range(len(trials))]


def _errors(output: Path) -> Path:
    """Where the standard error of a fork goes."""
    return output.with_name(f"{output.name}.err")


def _send(child: int, sent: int) -> None:
    """SIGKILL to a process, other signals to its group."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, sent) if sent == signal.SIGKILL else os.killpg(child, sent)


def _child(go: Callable[[], None], output: Path, counter: Path, moment: Moment | None, memory: int) -> None:
    """What the fork does; it does not return."""
    status = 70
    try:
        os.setsid()
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        null = os.open(os.devnull, os.O_RDONLY)
        # A file of its own: a limit of the size of files would else keep a message from following a long output.
        errors = os.open(_errors(output), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for target, source in ((0, null), (1, file), (2, errors)):
            os.dup2(source, target)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115
        used = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) << 10
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        _count_events(counter, moment)
        go()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(status)


def _count_events(counter: Path, moment: Moment | None) -> None:
    """Write a byte for each file event, and send the signal at the one of the moment."""
    counts, me = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), os.getpid()
    done = 0

    def watch(event: str, words: tuple) -> None:
        nonlocal done
        if event not in FILE_EVENTS or os.getpid() != me:
            return
        if event == "open" and not (isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        os.write(counts, b".")
        done += 1
        if moment is not None and moment.event == done - 1:
            os.kill(me, moment.sent)

    sys.addaudithook(watch)


def _left_behind(session: int, patience: float = 15.0) -> int:
    """Processes of a session that do not end by themselves; they are ended here."""
    end = time.monotonic() + patience
    while pids := session_of(session):
        if time.monotonic() > end:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return len(pids)
        time.sleep(0.05)
    return 0


def session_of(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    found.append(int(folder.name))
    return found


def warm_up() -> None:
    """Import what scripts import, once for all forks."""
    import av  # noqa: F401
    import kaldiio  # noqa: F401
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import pydantic  # noqa: F401
    import scipy.optimize
    import scipy.stats  # noqa: F401
    import soundfile  # noqa: F401
    import torch
    import torch.distributed
    import torch.utils.data

    torch.set_num_threads(1)
