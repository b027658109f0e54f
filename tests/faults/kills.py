"""Signals to the steps of the recipe at file events and random times. The same command then has to end with the same
bytes, and to leave no process, no lock and no half-made file.
"""

import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from dlglc.files import load_tensors
from faults.forks import Ended, Moment, run_script
from support.training import dino_arguments, figures, round_arguments

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LEFT = (".tmp", "in_use.json", "packing.json", "packing.jsonl", ".unpacked")  # ends of names that nothing may leave
TIMED = ("log/", "tensorboard/")  # folders whose files have times in them
CHANGING = ("checkpoint.pt", "metrics.jsonl", "command")  # compared by their contents, or not at all


class Step(NamedTuple):
    """A command of the recipe.

    Attributes:
        name: of the step, and of the folder in `work` that it writes.
        words: script and arguments.
    """

    name: str
    words: list[object]


class Kitchen:
    """Steps over a tiny corpus, each in a state in which all steps before it are done.

    Args:
        top: an empty folder.
        tiny: the corpus (support.corpora.make_tiny).
    """

    def __init__(self, top: Path, tiny: Path):
        self.top, self.work = top, top / "work"
        work = self.work
        train, dino = work / "train", work / "dino"
        table = work / "clusters/utt2cluster"
        checkpoint = ["checkpoint_minutes=0", "workers=0"]
        encoder = dino / "model.pt"
        self.steps = [
            Step("train", ["steps/pack_audio.py", tiny / "train", train]),
            Step("feats", ["steps/make_fbank.py", train, work / "feats"]),
            Step("dino", ["steps/train_dino.py", *dino_arguments(tiny, dino, "checkpoint_minutes=0", "workers=1")]),
            Step("embedding", ["steps/extract_embeddings.py", encoder, train, work / "embedding"]),
            Step("clusters", ["steps/cluster.py", "--set", "num_clusters=4", "restarts=2", "--seed", 0,
                              work / "embedding/embedding.scp", work / "clusters"]),
            Step("round1", ["steps/train_dlglc.py", *round_arguments(tiny, table, dino, work / "round1", *checkpoint)]),
            Step("plda", ["steps/train_plda.py", "--set", "lda_dim=3", "min_class_size=2",
                          work / "embedding/embedding.scp", table, work / "plda/plda.npz"]),
            Step("scores", ["steps/score_trials.py", "--mean-from", work / "embedding/embedding.scp",
                            tiny / "trials", work / "embedding/embedding.scp", work / "scores/cosine"]),
            Step("metrics", ["steps/compute_metrics.py", work / "scores/cosine", tiny / "trials",
                             work / "metrics/cosine.json"]),
        ]  # fmt: skip
        self.expected: dict[str, dict[str, object]] = {}
        self.events: dict[str, int] = {}
        self.seconds: dict[str, float] = {}

    def cook(self) -> None:
        """Run all steps once, and keep the state before each."""
        self.work.mkdir(parents=True)
        for step in self.steps:
            shutil.copytree(self.work, self.top / "before" / step.name)
            started = time.monotonic()
            ended = self.run(step)
            assert ended.status == 0, ended.text
            self.seconds[step.name] = time.monotonic() - started
            self.events[step.name] = ended.events
            self.expected[step.name] = contents(self.work / step.name)
            shutil.copytree(self.work / step.name, self.top / "after" / step.name)

    def run(self, step: Step, moment: Moment | None = None, before: Callable[[], None] | None = None) -> Ended:
        return run_script(step.words, self.top, moment, before)

    def reset(self, step: Step) -> None:
        """The state before a step."""
        for path in self.work.iterdir():
            shutil.rmtree(path)
        shutil.copytree(self.top / "before" / step.name, self.work, dirs_exist_ok=True)

    def trial(
        self,
        step: Step,
        moment: Moment | None = None,
        before: Callable[[], None] | None = None,
        after: Callable[[], None] | None = None,
    ) -> str:
        """Disturb a step, and run it again; returns what is wrong afterwards, or nothing.

        Args:
            moment: of a signal.
            before: what the disturbed process does first, e.g. set a limit. Then it must end with a message.
            after: what ends the disturbance, e.g. makes room.
        """
        self.reset(step)
        first = self.run(step, moment, before)
        if after:
            after()
        if moment is None and first.status and ": error: " not in first.text:
            return f"no message: {first.text[-600:]}"
        if first.left:
            return f"{first.left} processes were left"
        if first.hung:
            return "it hung"
        if first.traced and not stopped_while_loading(first):
            return f"a traceback: {first.text[-600:]}"
        again = self.run(step)
        if again.status or again.left:
            return f"the next run ended with {again.status}, {again.left} processes left: {again.text[-600:]}"
        there = [str(path) for path in self.work.rglob("*") if path.name.endswith(LEFT)]
        if there:
            return f"left behind: {there}"
        found = contents(self.work / step.name)
        wanted = self.expected[step.name]
        different = [name for name in {*found, *wanted} if not same(found.get(name), wanted.get(name))]
        return f"other contents: {different}" if different else ""

    def moments(self, count: int, seed: int) -> Iterator[tuple[Step, Moment]]:
        """`count` moments, of each step in turn: two thirds at its file events, one third at random times."""
        rng = random.Random(seed)
        events = {step.name: rng.sample(range(self.events[step.name]), self.events[step.name]) for step in self.steps}
        for number in range(count):
            step, turn = self.steps[number % len(self.steps)], number // len(self.steps)
            sent = rng.choice(SIGNALS)
            if turn % 3 == 2:
                yield step, Moment(seconds=rng.uniform(0, self.seconds[step.name]), sent=sent)
            else:
                places = events[step.name]
                yield step, Moment(event=places[turn % len(places)], sent=sent)


def stopped_while_loading(ended: Ended) -> bool:
    """True if Ctrl-C came while Python loaded modules: its traceback is Python's own, before the script's main()."""
    return ended.text.rstrip().endswith("KeyboardInterrupt") and "console.run(main)" not in ended.text


def contents(folder: Path) -> dict[str, object]:
    """The files of a folder: bytes; of a checkpoint its tensors; of metrics.jsonl its figures without times."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and path.name not in CHANGING and not name.startswith(TIMED):
            found[name] = path.read_bytes()
    if (folder / "checkpoint.pt").exists():
        found["checkpoint.pt"] = load_tensors(folder / "checkpoint.pt")
    if (folder / "metrics.jsonl").exists():
        found["metrics.jsonl"] = figures(folder)
    return found


def same(a: object, b: object) -> bool:
    """Equal to the bit, in tensors, lists and dicts of any depth."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(same, a, b))
    return a == b
