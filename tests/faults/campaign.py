"""All fault trials, with counts by class.

python -m faults.campaign [inputs N] [kills N] [seed N] [environment] [soak N]
"""

import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from faults.environment import on_full_disk, on_read_only_disk, with_small_files
from faults.forks import warm_up
from faults.inputs import CLASSES, GOOD, mutated
from faults.kills import moments
from faults.kitchen import Kitchen
from faults.readers import READERS
from faults.soak import soak


def inputs(count: int, top: Path, seed: int) -> int:
    """Mutated inputs, `count` in all; returns the number of failures."""
    total: dict[str, Counter[str]] = {}
    said: list[str] = []
    for name, reader in READERS.items():
        folder = top / f"inputs-{name.replace(' ', '-')}"
        folder.mkdir()
        counts, failures = mutated(name, -(-count // len(READERS)), folder, seed)
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


def kills(kitchen: Kitchen, count: int, seed: int) -> int:
    """Signals at `count` moments; returns the number of failures."""
    results, classes = [], Counter()
    for step, moment in moments(kitchen, count, seed):
        results.append((f"{step.name} {moment}", kitchen.trial(step, moment)))
        classes[step.name, "wrong" if results[-1][1] else "same bytes"] += 1
        if results[-1][1]:
            print(f"  {results[-1]}", flush=True)
        if len(results) % 50 == 0:
            print(f"  {len(results)} signals, {sum(bool(wrong) for _, wrong in results)} wrong", flush=True)
    for (name, what), number in sorted(classes.items()):
        print(f"  {name}: {number} {what}")
    return disturbed("signals", results)


def main() -> None:
    words = sys.argv[1:] or ["inputs", "kills", "environment", "soak"]

    def number(name: str, otherwise: int) -> int:
        behind = words[words.index(name) + 1 :] if name in words else []
        return int(behind[0]) if behind and behind[0].isdigit() else otherwise

    warm_up()
    top = Path(tempfile.mkdtemp(prefix="faults-"))
    failures = 0
    try:
        if "inputs" in words:
            started = time.monotonic()
            failures += inputs(number("inputs", 21000), top, number("seed", 0))
            print(f"inputs took {time.monotonic() - started:.0f} s", flush=True)
        if {"kills", "environment", "soak"} & set(words):
            kitchen = Kitchen(top / "kitchen")
            kitchen.cook()
        if "kills" in words:
            failures += kills(kitchen, number("kills", 520), number("seed", 0))
        if "environment" in words:
            failures += disturbed("limits of the size of files", list(with_small_files(kitchen)))
            if os.geteuid() == 0:
                failures += disturbed("read-only disks", list(on_read_only_disk(kitchen)))
                failures += disturbed("full disks", list(on_full_disk(kitchen)))
            else:
                print("full and read-only disks: left out, as only root may mount one")
        if "soak" in words:
            samples, wrong = soak(kitchen.tiny, top / "soak", number("soak", 2000))
            failures += disturbed("soak", [(f"{number('soak', 2000)} epochs", wrong)])
            for part in (len(samples) // 4, -3):
                print(f"  {samples[part]}")
    finally:
        shutil.rmtree(top, ignore_errors=True)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{failures} failures; {sum(one.ru_utime + one.ru_stime for one in used) / 60:.1f} minutes of processor time")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
