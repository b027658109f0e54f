"""All fault trials, with counts by class.

python -m faults.campaign [inputs N] [kills N] [whole N] [ranks N] [environment] [soak N] [seed N] [jobs N]
"""

import json
import math
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from faults import surroundings
from faults.environment import on_full_disk, on_read_only_disk, with_small_files
from faults.forks import warm_up
from faults.inputs import CLASSES, GOOD, mutated
from faults.kills import moments
from faults.kitchen import Kitchen
from faults.ranks import Ranks
from faults.readers import READERS
from faults.soak import soak
from faults.whole_runs import WholeRuns
from support.corpora import make_tiny


def inputs(count: int, top: Path, seed: int) -> int:
    """Mutated inputs, `count` in all; returns the number of failures."""
    total: dict[str, Counter[str]] = {}
    said: list[str] = []
    unit = count / sum(1 / reader.cost for reader in READERS.values())
    for name, reader in READERS.items():
        folder = top / f"inputs-{name.replace(' ', '-')}"
        folder.mkdir()
        counts, failures = mutated(name, math.ceil(unit / reader.cost), folder, seed)
        total.setdefault(reader.kind, Counter()).update(counts)
        said += failures
    print(f"{'inputs':12}" + "".join(f"{name:>11}" for name in CLASSES))
    for kind, counts in [*total.items(), ("all", sum(total.values(), Counter()))]:
        print(f"{kind:12}" + "".join(f"{counts[name]:11}" for name in CLASSES))
    for failure in said[:40]:
        print(f"  {failure[:400]}")
    return sum(count for counts in total.values() for name, count in counts.items() if name not in GOOD)


def disturbed(what: str, results: list[tuple[str, str]]) -> int:
    """Print the count of disturbances and of those after which something was wrong; returns the latter."""
    wrong = [(name, reason) for name, reason in results if reason]
    print(f"{what}: {len(results)}, of which {len(wrong)} ended otherwise")
    for name, reason in wrong[:40]:
        print(f"  {name}: {reason[-700:]}")
    return len(wrong)


def kills(top: Path, count: int, seed: int, jobs: int) -> int:
    """Signals at `count` moments, in kitchens that work side by side; returns the number of failures."""
    children = []
    for job in range(jobs):
        child = os.fork()
        if child == 0:
            os._exit(kill_in_kitchen(top / f"kitchen{job}", count, seed, job, jobs))
        children.append(child)
    status = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    lines = [json.loads(line) for file in sorted(top.glob("kitchen*.jsonl")) for line in file.read_text().splitlines()]
    classes = Counter((step, "wrong" if wrong else "same bytes") for step, _, wrong in lines)
    for (step, what), number in sorted(classes.items()):
        print(f"  {step}: {number} {what}")
    return disturbed("signals", [(f"{step} {moment}", wrong) for step, moment, wrong in lines]) + sum(map(bool, status))


def kill_in_kitchen(top: Path, count: int, seed: int, job: int, jobs: int) -> int:
    """The part of a job: every moment of that number; returns 0 if it came to its end."""
    try:
        kitchen = Kitchen(top)
        kitchen.cook()
        with open(top.with_suffix(".jsonl"), "w") as out:
            for number, (step, moment) in enumerate(moments(kitchen, count, seed)):
                if number % jobs == job:
                    wrong = kitchen.trial(step, moment)
                    out.write(json.dumps([step.name, str(moment), wrong]) + "\n")
                    out.flush()
                    if wrong or number % 60 == job:
                        print(f"  {number}: {step.name} {moment}: {wrong or 'same bytes'}", flush=True)
        return 0
    except BaseException:
        traceback.print_exc()
        return 1


def in_surroundings(kitchen: Kitchen) -> int:
    """Full disks, missing permissions, clocks, changing files, two at once; returns the number of failures."""
    kinds = {
        "limits of the size of files": with_small_files,
        "two processes at once": surroundings.two_at_once,
        "files that change while they are read": surroundings.with_changing_files,
        "files with strange times": surroundings.with_strange_times,
    }
    if os.geteuid() == 0:
        kinds["an ordinary user without permission"] = surroundings.without_permission
        kinds["read-only disks"], kinds["full disks"] = on_read_only_disk, on_full_disk
    else:
        print("permissions, full and read-only disks: left out, as only root may change its user or mount a disk")
    if surroundings.FAKETIME:
        kinds["a clock that jumps"] = surroundings.with_jumping_clock
    if shutil.which("strace"):
        kinds["a slow disk"] = surroundings.on_slow_disk
    return sum(disturbed(name, list(trials(kitchen))) for name, trials in kinds.items())


def main() -> None:
    words = sys.argv[1:] or ["inputs", "kills", "whole", "ranks", "environment", "soak"]

    def number(name: str, otherwise: int) -> int:
        behind = words[words.index(name) + 1 :] if name in words else []
        return int(behind[0]) if behind and behind[0].isdigit() else otherwise

    # A shell ignores Ctrl-C for what it starts in the background, and so would all that the trials start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warm_up()
    top = Path(tempfile.mkdtemp(prefix="faults-"))
    failures = 0
    try:
        if "inputs" in words:
            started = time.monotonic()
            failures += inputs(number("inputs", 21000), top, number("seed", 0))
            print(f"inputs took {time.monotonic() - started:.0f} s", flush=True)
        tiny = top / "tiny"
        tiny.mkdir()
        make_tiny(tiny)
        if "kills" in words:
            failures += kills(top, number("kills", 522), number("seed", 0), number("jobs", 1))
        if "whole" in words:
            runs = WholeRuns(top / "whole", tiny)
            runs.undisturbed()
            failures += disturbed("whole runs, signals", runs.disturbed(number("whole", 14), number("seed", 0)))
        if "ranks" in words:
            trials = Ranks(top / "ranks", tiny).trials(number("ranks", 16), number("seed", 0))
            failures += disturbed("one of two processes", list(trials))
        if "environment" in words:
            kitchen = Kitchen(top / "kitchen")
            kitchen.cook()
            failures += in_surroundings(kitchen)
        if "soak" in words:
            soaked = soak(tiny, top / "soak", number("soak", 2000))
            failures += disturbed("soak", [(str(soaked), soaked.wrong)])
            print(f"  {soaked}")
    finally:
        shutil.rmtree(top, ignore_errors=True)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{failures} failures; {sum(one.ru_utime + one.ru_stime for one in used) / 60:.1f} minutes of processor time")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
