#!/usr/bin/env python3
"""Run cases of tests/bench/cases.py and print their table; tests/bench/run.sh sets up what it needs.

A case is a process of its own. Its contestants take turns, so that a busy moment hits all of them; the median counts.
On one thread, time is the CPU seconds of the process, which neighbours disturb least; on more it is wall clock. Peak
memory is what a forked copy of the process takes on top of the inputs while it runs the contestant once.
"""

import argparse
import ctypes
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs/benchmarks.md"
MARKS = "<!-- table: tests/bench/run.sh -->\n", "<!-- end of table -->\n"
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
HEADER = (
    "| work | beside | ours | theirs | ratio | goal | | ours MiB | theirs MiB |\n|---|---|--:|--:|--:|--:|---|--:|--:|"
)


def clock() -> float:
    """Seconds: CPU time of this process on one thread, wall clock on more."""
    return time.process_time() if THREADS == 1 else time.monotonic()


def memory(run) -> float:
    """MiB that `run` takes at its peak on top of what is there now."""
    # What malloc keeps of past work would hide new work's need.
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        run()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        os.write(writer, str((peak - before) / 2**20).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as result:
        said = result.read()
    os.waitpid(child, 0)
    return float(said) if said else float("nan")


def compare(work: str, ours, peers: dict, repeats: int = 5, timer=clock, fork: bool = True) -> None:
    """Time contestants in turn and write a line of JSON for each peer to the standard output.

    Args:
        work: what is done.
        ours: a function without arguments; what it returns in a Timed counts instead of the clock.
        peers: name → (function or None where it is absent, goal or None = only shown, factor for a peer that does a
            part of the work).
    """
    contestants = {"ours": (ours, None, 1), **peers}
    present = {name: run for name, (run, _, _) in contestants.items() if run}
    forks = {name: fork and THREADS == 1 and getattr(run, "forks", True) for name, run in present.items()}
    peak = {name: memory(run) if forks[name] else float("nan") for name, run in present.items()}
    seconds = {name: [] for name in present}
    for _ in range(repeats):
        for name, run in present.items():
            before = timer()
            result = run()
            seconds[name].append(result.seconds if isinstance(result, Timed) else timer() - before)
    median = {name: contestants[name][2] * statistics.median(times) for name, times in seconds.items()}
    for name, (run, goal, factor) in peers.items():
        line = {"work": work, "peer": name, "goal": goal, "factor": factor, "absent": run is None}
        if run:
            line |= {"ours": median["ours"], "theirs": median[name], "memory": [peak["ours"], peak[name]]}
            spread = [max(times) / min(times) for times in (seconds["ours"], seconds[name])]
            line |= {"ratio": median[name] / median["ours"], "spread": spread}
        print(json.dumps(line), flush=True)


class Timed:
    """Seconds that a contestant measured itself."""

    def __init__(self, seconds: float):
        self.seconds = seconds


def cells(line: dict) -> str:
    """One row of the table."""
    goal = "" if line["goal"] is None else f"≥ {line['goal']:g}"
    if line["absent"]:
        return f"| {line['work']} | {line['peer']} | | | | {goal} | absent | | |"
    verdict = "" if line["goal"] is None else ("met" if line["ratio"] >= line["goal"] else "**missed**")
    part = f" (×{line['factor']:.4g})" if line["factor"] != 1 else ""
    peaks = [f"{m:,.0f}" if m == m else "" for m in line["memory"]]
    ours, theirs = (f"{line[k]:.3g} s" for k in ("ours", "theirs"))
    ratio = f"{line['ratio']:,.3g}" if line["ratio"] < 100 else f"{line['ratio']:,.0f}"
    row = [line["work"], line["peer"], ours, theirs + part, ratio, goal, verdict, *peaks]
    return f"| {' | '.join(row)} |"


def machine() -> str:
    """Processor, cores, libraries."""
    import numpy
    import torch
    from threadpoolctl import threadpool_info

    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
    a = torch.randn(1024, 1024)
    rates = []
    for _ in range(7):
        before = clock()
        torch.mm(a, a)
        rates.append(2 * 1024**3 / (clock() - before) / 1e9)
    blas = sorted(
        {f"{pool['internal_api']} {pool['version']}" for pool in threadpool_info() if pool["user_api"] == "blas"}
    )
    return (
        f"{name}, {os.cpu_count()} cores, sgemm {statistics.median(rates):.0f} GFLOP/s on {THREADS} thread(s); "
        f"Python {platform.python_version()}, torch {torch.__version__} (MKL {torch.backends.mkl.is_available()}, "
        f"{torch.backends.cpu.get_cpu_capability()}), numpy {numpy.__version__} ({', '.join(blas)}); "
        f"load {os.getloadavg()[0]:.1f} when it began; "
        f"{'CPU' if THREADS == 1 else 'wall-clock'} seconds, medians of 5"
    )


def main():
    from cases import CASES, EXTRA

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--process", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"{', '.join([*CASES, *EXTRA])} (default: the first {len(CASES)})"
    )
    args = parser.parse_args()
    known = {**CASES, **EXTRA}
    unknown = set(args.cases) - set(known)
    if unknown:
        parser.error(f"no case {min(unknown)}: --list names them")
    if args.list:
        for name, case in known.items():
            print(f"{name:14} {case.__doc__.splitlines()[0]}{' (not by default)' if name in EXTRA else ''}")
        return
    if args.process:
        import torch

        torch.set_num_threads(THREADS)
        known[args.cases[0]]()
        return
    rows, failed = [HEADER], []
    here = machine()
    print(f"{here}\n\n{HEADER}", flush=True)
    for name in args.cases or CASES:
        command = [sys.executable, __file__, "--process", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for text in process.stdout:
                if text.startswith('{"work"'):
                    rows.append(cells(json.loads(text)))
                    print(rows[-1], flush=True)
                else:
                    print(text, end="", file=sys.stderr, flush=True)
        if process.returncode:
            failed.append(name)
    if not args.cases and not failed and DOCUMENT.exists():
        before, _, rest = DOCUMENT.read_text().partition(MARKS[0])
        table = "\n".join([f"{here}.\n", *rows])
        DOCUMENT.write_text(f"{before}{MARKS[0]}\n{table}\n\n{MARKS[1]}{rest.partition(MARKS[1])[2]}")
    if failed:
        sys.exit(f"bench.py: {', '.join(failed)} failed: see above")


if __name__ == "__main__":
    main()
