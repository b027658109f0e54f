"""All fault trials, with counts by class.

python -m faults.campaign [inputs N] [kills N] [seed N] [environment] [soak N]
"""

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from faults.environment import on_full_disk, with_small_files
from faults.forks import warm_up
from faults.inputs import CLASSES, GOOD, mutated
from faults.kills import Kitchen
from faults.readers import READERS
from faults.soak import soak
from support.corpora import make_tiny


def make_kitchen(top: Path) -> Kitchen:
    """A corpus with trials, and all steps done once."""
    tiny = top / "tiny"
    tiny.mkdir()
    make_tiny(tiny)
    write_trials(tiny)
    kitchen = Kitchen(top / "kitchen", tiny)
    kitchen.cook()
    return kitchen


def write_trials(tiny: Path) -> None:
    """All pairs of the training set's utterances, as trials of tests only."""
    utts = [line.split()[0] for line in (tiny / "train/wav.scp").read_text().splitlines()]
    pairs = ((a, b, "target" if a[:2] == b[:2] else "nontarget") for a in utts for b in utts if a < b)
    (tiny / "trials").write_text("".join(f"{a} {b} {kind}\n" for a, b, kind in pairs))


def inputs(count: int, top: Path) -> int:
    """Mutated inputs, `count` in all; returns the number of failures."""
    total: dict[str, Counter[str]] = {}
    said: list[str] = []
    for name, reader in READERS.items():
        folder = top / f"inputs-{name.replace(' ', '-')}"
        folder.mkdir()
        counts, failures = mutated(name, -(-count // len(READERS)), folder)
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
            failures += inputs(number("inputs", 21000), top)
            print(f"inputs took {time.monotonic() - started:.0f} s", flush=True)
        if {"kills", "environment", "soak"} & set(words):
            kitchen = make_kitchen(top)
        if "kills" in words:
            started = time.monotonic()
            count, seed = number("kills", 500), number("seed", 0)
            results = []
            for step, moment in kitchen.moments(count, seed):
                results.append((f"{step.name} {moment}", kitchen.trial(step, moment)))
                if results[-1][1]:
                    print(f"  {results[-1]}", flush=True)
                if len(results) % 50 == 0:
                    print(f"  {len(results)} signals, {sum(bool(wrong) for _, wrong in results)} wrong", flush=True)
            failures += disturbed("signals", results)
            print(f"signals took {time.monotonic() - started:.0f} s", flush=True)
        if "environment" in words:
            failures += disturbed("limits of the size of files", list(with_small_files(kitchen)))
            if os.geteuid() == 0:
                failures += disturbed("full disks", list(on_full_disk(kitchen)))
            else:
                print("full disks: left out, as only root may mount one")
        if "soak" in words:
            samples, wrong = soak(top / "tiny", top / "soak", number("soak", 2000))
            failures += disturbed("soak", [(f"{number('soak', 2000)} epochs", wrong)])
            for part in (len(samples) // 4, -3):
                print(f"  {samples[part]}")
    finally:
        shutil.rmtree(top, ignore_errors=True)
    print(f"{failures} failures")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
