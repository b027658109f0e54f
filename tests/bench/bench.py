#!/usr/bin/env python3
"""Run cases of tests/bench/cases and print their table. tests/bench/run.sh prepares the environment for this script.

Each case runs in a process of its own, and its contestants take turns (see measure.py). The median over the turns
counts. Without CASE, all default cases run, and the table in docs/benchmarks.md is rewritten if none of them fails.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import numpy
import torch
from cases import CASES, EXTRA
from measure import ONCE, ROOT, THREADS, clock
from threadpoolctl import threadpool_info

DOCUMENT = ROOT / "docs/benchmarks.md"
MARKS = "<!-- table: tests/bench/run.sh -->\n", "<!-- end of table -->\n"
HEADER = (
    "| work | beside | ours | theirs | ratio | goal | | ours MiB | theirs MiB |\n|---|---|--:|--:|--:|--:|---|--:|--:|"
)
KNOWN = {**CASES, **EXTRA}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--process", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"{', '.join(KNOWN)} (default: the first {len(CASES)})"
    )
    args = parser.parse_args()
    unknown = set(args.cases) - set(KNOWN)
    if unknown:
        parser.error(f"there is no case {min(unknown)}: --list prints the names of all cases")
    if args.list:
        for name, case in KNOWN.items():
            print(f"{name:14} {(case.__doc__ or '').splitlines()[0]}{' (not by default)' if name in EXTRA else ''}")
    elif args.process:
        torch.set_num_threads(THREADS)
        KNOWN[args.cases[0]]()
    else:
        run_cases(args.cases or list(CASES), rewrite=not args.cases and not ONCE)


def run_cases(names: list[str], rewrite: bool) -> None:
    """Run cases one after the other and print the rows of the table as they come.

    Args:
        names: cases to run.
        rewrite: put the table into docs/benchmarks.md if no case failed.

    Raises:
        SystemExit: a case failed.
    """
    rows, failed = [HEADER], []
    here = machine()
    print(f"{here}\n\n{HEADER}", flush=True)
    for name in names:
        command = [sys.executable, __file__, "--process", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for text in process.stdout or ():
                if text.startswith('{"work"'):
                    rows.append(row(json.loads(text)))
                    print(rows[-1], flush=True)
                else:
                    print(text, end="", file=sys.stderr, flush=True)
        if process.returncode:
            failed.append(name)
    if failed:
        sys.exit(f"bench.py: these cases failed, see the messages above: {', '.join(failed)}")
    if rewrite and DOCUMENT.exists():
        before, _, rest = DOCUMENT.read_text().partition(MARKS[0])
        table = "\n".join([f"{here}.\n", *rows])
        DOCUMENT.write_text(f"{before}{MARKS[0]}\n{table}\n\n{MARKS[1]}{rest.partition(MARKS[1])[2]}")


def row(line: dict) -> str:
    """One row of the table, from what measure.compare printed."""
    goal = "" if line["goal"] is None else f"≥ {line['goal']:g}"
    if line["absent"]:
        return f"| {line['work']} | {line['peer']} | | | | {goal} | absent | | |"
    verdict = "" if line["goal"] is None else ("met" if line["ratio"] >= line["goal"] else "**missed**")
    part = f" (×{line['factor']:.4g})" if line["factor"] != 1 else ""
    peaks = [f"{m:,.0f}" if m == m else "" for m in line["memory"]]
    ours, theirs = (f"{line[k]:.3g} s" for k in ("ours", "theirs"))
    ratio = f"{line['ratio']:,.3g}" if line["ratio"] < 100 else f"{line['ratio']:,.0f}"
    cells = [line["work"], line["peer"], ours, theirs + part, ratio, goal, verdict, *peaks]
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    """One line about the processor, its speed, the libraries, the load and what the seconds are."""
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
        f"{'CPU' if THREADS == 1 else 'wall-clock'} seconds, {'run once' if ONCE else 'medians of 5'}"
    )


if __name__ == "__main__":
    main()
