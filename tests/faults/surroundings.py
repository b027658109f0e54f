"""What goes wrong around a step: an ordinary user without permission, a clock that jumps, files that change while they
are read, a slow disk, a second process that does the same.
"""

import codecs
import importlib
import os
import pkgutil
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import dlglc
from faults.forks import Trial, run_together, script_of
from faults.kitchen import LEFT, Kitchen, Step
from support.scripts import ROOT, environment

NOBODY = 65534
TIMES = (0, 4102444800)  # of files: the year 1970, and the year 2100
FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)  # Debian: apt-get install faketime
JUMPS = ("+0", "-400d", "+400d", "-1h")  # of the clock, one after the other
SLOW = ("openat", "rename", "fsync", "unlink")  # calls that a slow disk answers late
CLOCKED = ("pack", "dino", "round")  # steps that are tried with a jumping clock and on a slow disk: no forks, so dear
DAMAGES = ("vanishes", "is cut", "grows")
MOMENTS = 3  # of each step, at which a file that it reads changes


# --- permissions ------------------------------------------------------------------------------------------------------


def as_nobody(closed: Path | None = None) -> Callable[[], None]:
    """Go on as an ordinary user, who may read everything but `closed`, and write nothing."""

    def drop() -> None:
        if closed:
            closed.chmod(0o700)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    return drop


def without_permission(kitchen: Kitchen) -> Iterator[tuple[str, str]]:
    """Every step as a user who may not write, and as one who may not read either. Needs root."""
    for name in ("utf-8-sig", "cp437"):  # Python itself may be closed to that user
        codecs.lookup(name)
    for module in pkgutil.walk_packages(dlglc.__path__, "dlglc."):
        importlib.import_module(module.name)
    for folder in kitchen.top, *kitchen.top.parents:
        folder.chmod(folder.stat().st_mode | 0o555)
    for step in kitchen.steps:
        yield f"{step.name} without permission to write", kitchen.trial(step, before=as_nobody())

        def reopen() -> None:
            kitchen.work.chmod(0o755)

        yield (
            f"{step.name} without permission to read",
            kitchen.trial(step, before=as_nobody(kitchen.work), after=reopen),
        )


# --- clocks -----------------------------------------------------------------------------------------------------------


def with_strange_times(kitchen: Kitchen) -> Iterator[tuple[str, str]]:
    """Every step on files of the future or of 1970, in any order: what was done is not judged by times."""

    def date(seed: int) -> Callable[[], None]:
        def touch() -> None:
            rng = random.Random(seed)
            for path in sorted(kitchen.work.rglob("*")):
                os.utime(path, (rng.choice(TIMES),) * 2)

        return touch

    for number, step in enumerate(kitchen.steps):
        yield f"{step.name} on files with strange times", kitchen.trial(step, before=date(number))


def with_jumping_clock(kitchen: Kitchen) -> Iterator[tuple[str, str]]:
    """Some steps while the clock of the machine jumps by a year, back and forth (libfaketime)."""
    now = kitchen.top / "now"
    wrapped = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(now), "FAKETIME_NO_CACHE": "1"}
    wrapped["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"  # as a real clock that is set

    def jump(done: threading.Event) -> None:
        rng = random.Random(0)
        while not done.wait(0.1):
            (kitchen.top / "then").write_text(rng.choice(JUMPS))
            (kitchen.top / "then").replace(now)

    for step in kitchen.steps:
        if step.name in CLOCKED:
            now.write_text(JUMPS[0])
            done = threading.Event()
            thread = threading.Thread(target=jump, args=(done,))
            thread.start()
            try:
                wrong = as_a_process(kitchen, step, [], wrapped)
            finally:
                done.set()
                thread.join()
            yield f"{step.name} while the clock jumps", wrong


def as_a_process(kitchen: Kitchen, step: Step, before: list[str], changes: dict[str, str]) -> str:
    """A step as a process of its own, with words in front and other variables; what is wrong, or nothing."""
    kitchen.reset(step)
    script, *rest = step.words
    words = [*before, sys.executable, str(ROOT / str(script)), *map(str, rest)]
    done = subprocess.run(
        words, cwd=ROOT, env=environment(**changes), capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        return f"it ended with {done.returncode}: {done.stderr[-600:]}"
    return kitchen.goes_on(step)


# --- slow disks -------------------------------------------------------------------------------------------------------


def on_slow_disk(kitchen: Kitchen, milliseconds: int = 20) -> Iterator[tuple[str, str]]:
    """Some steps whose calls to the disk take long (strace)."""
    calls = ",".join(SLOW)
    late = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}"]
    late += ["-e", f"inject={calls}:delay_enter={1000 * milliseconds}"]
    for step in kitchen.steps:
        if step.name in CLOCKED:
            yield f"{step.name} on a slow disk", as_a_process(kitchen, step, late, {})


# --- files that change while they are read ----------------------------------------------------------------------------


def with_changing_files(kitchen: Kitchen, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Every step while a file that it reads vanishes, is cut or grows; and again when the file is as before."""
    rng = random.Random(seed)
    for step in kitchen.steps:
        for number in range(MOMENTS):
            how, at = DAMAGES[number % len(DAMAGES)], rng.randrange(8)
            yield f"{step.name} while its file {at} {how}", changing(kitchen, step, how, at)


def changing(kitchen: Kitchen, step: Step, how: str, at: int) -> str:
    """What is wrong after a step whose input has changed when it was opened, or nothing."""
    before = kitchen.top / "before" / step.name

    def restore() -> None:
        for path in before.rglob("*"):
            if path.is_file():
                shutil.copy2(path, kitchen.work / path.relative_to(before))

    wrong = kitchen.trial(step, before=lambda: change_at(kitchen.work, before, how, at), after=restore)
    # A training that began with the changed file is not continued with the other one, and says so.
    return "" if "has changed). Use another directory" in wrong else wrong


def change_at(top: Path, before: Path, how: str, at: int) -> None:
    """Change the file below a folder that is opened for reading as the `at`-th, just after it was opened.

    Only files count that were there before the step. What it wrote itself, it reads once more for its checksum.
    """
    me, seen, waiting = os.getpid(), 0, ""

    def watch(event: str, words: tuple) -> None:
        nonlocal seen, waiting
        if event != "open" or os.getpid() != me or not isinstance(words[0], str | bytes | os.PathLike):
            return
        if waiting:  # a file behind it is opened: it is open by now, and perhaps not read yet
            path, waiting = waiting, ""
            damage(Path(path), how)
        path = os.path.abspath(os.fsdecode(words[0]))
        writes = isinstance(words[2], int) and words[2] & (os.O_WRONLY | os.O_RDWR)
        if path.startswith(f"{top}/") and not writes and (before / os.path.relpath(path, top)).is_file():
            waiting = path if seen == at else waiting
            seen += 1

    sys.addaudithook(watch)


def damage(path: Path, how: str) -> None:
    """Change a file that is there."""
    if not path.is_file():
        return
    if how == "vanishes":
        path.unlink()
    elif how == "is cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        with open(path, "ab") as file:
            file.write(path.read_bytes()[:1000])


# --- two at once ------------------------------------------------------------------------------------------------------


def two_at_once(kitchen: Kitchen) -> Iterator[tuple[str, str]]:
    """Every step in two processes at the same time: one result; the second may be told who holds the folder."""
    for name in ("first", "second"):
        (kitchen.top / name).mkdir(exist_ok=True)
    for step in kitchen.steps:
        yield f"{step.name} twice at once", together(kitchen, step)


def together(kitchen: Kitchen, step: Step) -> str:
    """What is wrong after two processes of one step, or nothing."""
    kitchen.reset(step)
    trials = [Trial(script_of(step.words), kitchen.top / name) for name in ("first", "second")]
    for one in run_together(trials):
        refused = "in use by process" in one.text or (step.adds and "not enrolled" in one.text)
        if one.traced or one.hung or one.left or (one.status and not refused):
            return f"one ended with {one.status}: {one.text[-600:]}"
    left = [str(path) for path in kitchen.work.rglob("*") if path.name.endswith(LEFT)]
    if left:
        return f"left behind: {left}"
    return "" if step.adds else kitchen.goes_on(step)
