"""Whole runs of run.sh that are killed again and again: run.sh alone, its group, one of its processes, or all of them.

After each signal no process may stay. The command that run.sh names goes on, and the end has the same bytes as a run
that nobody disturbed.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from pathlib import Path

from faults.kitchen import LEFT, contents, same, small_corpus
from support.chain import ENVIRONMENT, command, make_tiny_tree
from support.training import ROUND, SMALL

MARK = "FAULTS_RUN"  # environment variable by which all processes of a run are known, wherever they are
SETTINGS = [
    *(f"dino.{word}" for word in (*SMALL, "epochs=2")),
    *(f"dlglc.{word}" for word in ROUND),
    *("cluster.num_clusters=4", "cluster.restarts=2", "backend.min_class_size=1", "backend.lda_dim=3"),
]
# Where a signal goes, and which. "one" is any process of the run, as the system chooses one if memory runs out.
WAYS = [
    ("run.sh", signal.SIGKILL),
    ("run.sh", signal.SIGTERM),
    ("run.sh", signal.SIGINT),
    ("group", signal.SIGINT),
    ("group", signal.SIGKILL),
    ("one", signal.SIGKILL),
    ("all", signal.SIGKILL),
]
PATIENCE = 60.0  # seconds until all processes have ended
UNLIKE = (".log", ".sh", "mini.json", "corpus.json")  # logs, and the records of what they say


class WholeRuns:
    """A tree in which run.sh runs the stages 1 to 7.

    Args:
        top: an empty folder.
        tiny: a corpus, for its noise and rooms.
        stages: options of run.sh.
    """

    def __init__(self, top: Path, tiny: Path, stages: tuple[str, ...] = ()):
        self.tree = top / "tree"
        make_tiny_tree(self.tree, tiny)
        shutil.rmtree(self.tree / "data")
        settings = [word for setting in SETTINGS for word in ("--set", setting)]
        words = ["local/prepare_mini.py", "corpus", "small", *small_corpus(6, 4)]
        command(self.tree, sys.executable, *words, env={"PYTHONPATH": "steps"})
        self.words = ["./run.sh", "--corpus-dir", "small", "--rounds", "1", "--nj", "2", "--ngpu", "0"]
        self.words += [*settings, *stages]
        self.mark = uuid.uuid4().hex
        self.seconds = 0.0
        self.expected: dict[str, object] = {}

    def start(self, stage: str) -> subprocess.Popen[str]:
        """run.sh from a stage on, in a session of its own."""
        environment = {**os.environ, **ENVIRONMENT, MARK: self.mark}
        output = open(self.tree / "output", "w")  # noqa: SIM115  # the process has it
        words = [*self.words, "--stage", stage]
        return subprocess.Popen(
            words, cwd=self.tree, env=environment, stdout=output, stderr=output, start_new_session=True
        )

    def said(self) -> str:
        return (self.tree / "output").read_text(errors="replace")

    def result(self) -> dict[str, object]:
        """All that is in data/ and exp/, without logs."""
        found = {f"{top}/{name}": value for top in ("data", "exp") for name, value in contents(self.tree / top).items()}
        return {name: value for name, value in found.items() if not name.endswith(UNLIKE) and "/q/" not in name}

    def undisturbed(self) -> None:
        """Run everything once, and keep what comes out."""
        started = time.monotonic()
        process = self.start("1")
        assert process.wait() == 0, self.said()
        self.seconds = time.monotonic() - started
        self.expected = self.result()

    def disturbed(self, count: int, seed: int) -> list[tuple[str, str]]:
        """Run everything again, with `count` signals on the way: what was done, and what is wrong."""
        rng, results, stage, finished = random.Random(seed), [], "1", False
        for name in ("data", "exp"):
            shutil.rmtree(self.tree / name, ignore_errors=True)
        for number in range(count):
            where, sent = WAYS[(number + seed) % len(WAYS)]
            process = self.start(stage)
            passed = rng.uniform(0, 2.5 * self.seconds / count)
            with_end = time.monotonic() + passed
            while time.monotonic() < with_end and process.poll() is None:
                time.sleep(0.05)
            finished = process.poll() is not None
            if finished:
                break
            send(process, where, sent, self.mark, rng)
            wrong = self.after_signal(process)
            results.append((f"{signal.Signals(sent).name} to {where} after {passed:.1f} s from stage {stage}", wrong))
            stage = next_stage(self.said(), stage)
        if not finished:
            process = self.start(stage)
            process.wait()
        wrong = f"the last run ended with {process.returncode}: {self.said()[-700:]}" if process.returncode else ""
        results.append(("the end", wrong or self.differences()))
        return results

    def after_signal(self, process: subprocess.Popen[str]) -> str:
        """What is wrong once all processes had time to end."""
        end = time.monotonic() + PATIENCE
        while (process.poll() is None or processes_of(self.mark)) and time.monotonic() < end:
            time.sleep(0.05)
        left = processes_of(self.mark)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        if left or process.poll() is None:
            process.wait()
            return f"{len(left)} processes were left"
        said = self.said()
        return f"a traceback: {said[-700:]}" if "Traceback" in said and "KeyboardInterrupt" not in said else ""

    def differences(self) -> str:
        """What is other than in the undisturbed run; empty if nothing."""
        there = [str(path) for name in ("data", "exp") for path in (self.tree / name).rglob(f"*{LEFT[0]}")]
        there += [str(path) for path in self.tree.rglob("in_use.json")]
        found = self.result()
        different = [name for name in {*found, *self.expected} if not same(found.get(name), self.expected.get(name))]
        return f"left behind: {there}" if there else f"other contents: {different}" if different else ""


def send(process: subprocess.Popen[str], where: str, sent: int, mark: str, rng: random.Random) -> None:
    """Send a signal to run.sh, to its group, to one of its processes, or to all of them."""
    if where == "run.sh":
        process.send_signal(sent)
    elif where == "group":
        os.killpg(process.pid, sent)
    else:
        pids = processes_of(mark)
        for pid in pids if where == "all" else [rng.choice(pids)]:
            try:
                os.kill(pid, sent)
            except ProcessLookupError:
                continue


def processes_of(mark: str) -> list[int]:
    """The processes that have the mark in their environment, and have not ended."""
    found, word = [], f"{MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and word in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def next_stage(said: str, before: str) -> str:
    """The stage at which run.sh goes on: what it says itself, or the last one that it began."""
    begun = re.findall(r"--stage (\d) with the same options|  stage (\d): (?!.*: done)", said)
    return "".join(begun[-1]) if begun else before


def count_ways(results: list[tuple[str, str]]) -> Counter[str]:
    """Number of signals by where they went."""
    return Counter(name.split(" after ")[0] for name, _ in results if " after " in name)
