"""Every step of the recipe and every command of its users, on a tiny corpus, each in a state in which all before it are
done. Trials disturb a step, run the same command again, and compare all that is there.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch

from dlglc.files import load_tensors
from faults.forks import Ended, Moment, run_script
from support.corpora import make_tiny
from support.training import dino_arguments, figures, round_arguments

LEFT = (".tmp", "in_use.json", "packing.json", "packing.jsonl", ".unpacked")  # ends of names that nothing may leave
TIMED = ("log", "tensorboard")  # folders whose files have times in them
TIMES = ("command", "RESULTS.md", "results.json", "report.html")  # files with the time of a training in them
NEEDED = ("pack", "dino", "embed", "cluster", "round", "bundle", "enrol")  # by the steps behind them
CONTRAST = ("epochs=2", "batch_size=6", "seconds=0.8")


class Step(NamedTuple):
    """A command of the recipe.

    Attributes:
        name: of the step.
        words: script, or dlg-lc, and arguments.
        answers: True if what it prints is its result.
        adds: True if it changes a file of the user: done twice, it would change the file twice.
    """

    name: str
    words: list[object]
    answers: bool = False
    adds: bool = False


class Kitchen:
    """Steps over a tiny corpus, each in a state in which all steps before it are done.

    Args:
        top: an empty folder.
        names: the steps that trials are about; of the others, those that they need are done once. None = all.
    """

    def __init__(self, top: Path, names: tuple[str, ...] | None = None):
        self.top, self.work, self.tiny, self.speech = top, top / "work", top / "tiny", top / "speech"
        self.all_steps = stages(self.work, self.tiny) + commands(self.work, self.speech)
        self.steps = [step for step in self.all_steps if names is None or step.name in names]
        self.expected: dict[str, dict[str, object]] = {}
        self.events: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self.output: dict[str, int] = {}  # bytes on the disk, about

    def cook(self) -> None:
        """Run all steps once, and keep the state before each that trials are about."""
        self.tiny.mkdir(parents=True)
        make_tiny(self.tiny)
        write_trials(self.tiny)
        self.work.mkdir()
        ended = run_script(["local/prepare_mini.py", "corpus", self.top / "mini", *small_corpus()], self.top)
        assert ended.status == 0, ended.text
        gather(self.top / "mini/train", self.speech)
        for step in self.all_steps:
            if step not in self.steps and step.name not in NEEDED:
                continue
            if step in self.steps:
                shutil.copytree(self.work, self.top / "before" / step.name)
            started = time.monotonic()
            ended = self.run(step)
            assert ended.status == 0, f"{step.name}: {ended.text}"
            self.seconds[step.name] = time.monotonic() - started
            self.events[step.name] = ended.events
            if step in self.steps:
                self.expected[step.name] = self.result(step, ended)
                self.output[step.name] = blocks(self.work) - blocks(self.top / "before" / step.name)

    def run(self, step: Step, moment: Moment | None = None, before: Callable[[], None] | None = None) -> Ended:
        return run_script(step.words, self.top, moment, before)

    def result(self, step: Step, ended: Ended) -> dict[str, object]:
        """What a finished step leaves, and what it answers."""
        return {**contents(self.work), **({"its answer": ended.text} if step.answers else {})}

    def reset(self, step: Step) -> None:
        """The state before a step."""
        for path in self.work.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
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
        return self.goes_on(step)

    def goes_on(self, step: Step) -> str:
        """Run a disturbed step again; what is wrong then, or nothing."""
        done = {name: value for name, value in contents(self.work).items() if not name.endswith(LEFT)}
        done_before = step.adds and same(done, self.expected[step.name])  # it was killed after all was done
        again = self.run(step)
        if done_before:
            left = [str(path) for path in self.work.rglob("*") if path.name.endswith(LEFT)]
            return f"left behind: {left}" if left or again.traced or again.left else ""
        if again.status or again.left:
            return f"the next run ended with {again.status}, {again.left} processes left: {again.text[-600:]}"
        there = [str(path) for path in self.work.rglob("*") if path.name.endswith(LEFT)]
        if there:
            return f"left behind: {there}"
        found, wanted = self.result(step, again), self.expected[step.name]
        different = [name for name in {*found, *wanted} if not same(found.get(name), wanted.get(name))]
        return f"other contents: {different}" if different else ""


def stages(work: Path, tiny: Path) -> list[Step]:
    """The steps of the stages 1 to 7."""
    data, exp = work / "data", work / "exp"
    dino, one = exp / "dino", exp / "round1"
    scp, table = dino / "train/embedding.scp", dino / "clusters/utt2cluster"
    often, truth = "checkpoint_minutes=0", tiny / "train/utt2spk.truth"
    contrast = [f"contrastive.{word}" for word in CONTRAST]
    return [
        Step("prepare", ["local/prepare_folder.py", "data", tiny / "wav", work / "local"]),
        Step("pack", ["steps/pack_audio.py", tiny / "train", data / "train"]),
        Step("finish", ["steps/finish_data.py", tiny / "train", data / "train"]),
        Step("fbank", ["steps/make_fbank.py", data / "train", work / "feats"]),
        Step("contrast", ["steps/train_contrastive.py", *dino_arguments(tiny, exp / "contrast", often, *contrast)]),
        Step("dino", ["steps/train_dino.py", *dino_arguments(tiny, dino, often, "epochs=2", "workers=1")]),
        Step("import", ["local/import_encoder.py", dino / "model.pt", exp / "start/model.pt"]),
        Step("embed", ["steps/extract_embeddings.py", dino / "model.pt", data / "train", dino / "train"]),
        Step("cluster", ["steps/cluster.py", "--set", "num_clusters=4", "restarts=2", scp, dino / "clusters"]),
        Step("assess", ["steps/assess_clusters.py", "--set", "num_clusters=4", "--data", data / "train", scp,
                        dino / "clusters"]),
        Step("round", ["steps/train_dlglc.py", *round_arguments(tiny, table, dino, one, often, "workers=0")]),
        Step("gate", ["steps/gate_quality.py", one, table, truth]),
        Step("quality", ["steps/cluster_quality.py", table, truth, dino / "clusters/quality.json"]),
        Step("mfcc", ["local/mfcc_baseline.py", data / "train", exp / "mfcc/train"]),
        Step("plda", ["steps/train_plda.py", "--set", "lda_dim=3", "min_class_size=2", scp, table, dino / "plda.npz"]),
        Step("score", ["steps/score_trials.py", "--mean-from", scp, tiny / "trials", scp, dino / "scores/cosine"]),
        Step("metrics", ["steps/compute_metrics.py", dino / "scores/cosine", tiny / "trials",
                         dino / "scores/cosine.json"]),
        Step("report", ["steps/make_report.py", "--data", data, exp]),
        Step("bundle", ["steps/make_bundle.py", "--data", data, "--backend", "cosine", dino, work / "x.dlglc"]),
    ]  # fmt: skip


def commands(work: Path, speech: Path) -> list[Step]:
    """The commands of users."""
    bundle, people, rate = work / "x.dlglc", work / "people.npz", ("--json", "--false-accept", 0.1)
    one, two, three = speech / "a/1.wav", speech / "a/2.wav", speech / "b/1.wav"
    return [
        Step("verify", ["dlg-lc", "verify", *rate, bundle, one, two, three], answers=True),
        Step("embed npz", ["dlg-lc", "embed", "--out", work / "out.npz", bundle, speech]),
        Step("embed ark", ["dlg-lc", "embed", "--out", work / "out", bundle, one, three]),
        Step("enrol", ["dlg-lc", "identify", "enrol", bundle, people, speech], adds=True),
        Step("search", ["dlg-lc", "identify", "search", *rate, bundle, people, two], answers=True),
        Step("remove", ["dlg-lc", "identify", "remove", bundle, people, "b"], adds=True),
        Step("groups", ["dlg-lc", "who-is-who", "--out", work / "groups", bundle, speech]),
        Step("turns", ["dlg-lc", "who-is-who", "--out", work / "talk.rttm", bundle, one]),
        Step("export", ["dlg-lc", "export", "--onnx", work / "x.onnx", "--backend", work / "x.npz", bundle]),
        Step("info", ["dlg-lc", "info", bundle], answers=True),
    ]


def small_corpus(train: int = 2, evaluation: int = 2) -> list[object]:
    """Words for prepare_mini.py: that many voices with two utterances each."""
    return ["--speakers", train, "--utterances", 2, "--eval-speakers", evaluation, "--eval-utterances", 2]


def gather(corpus: Path, speech: Path) -> None:
    """Copy the recordings of a mini corpus to a/1.wav, a/2.wav, b/1.wav, …"""
    for name, speaker in zip("ab", sorted(corpus.iterdir())):
        (speech / name).mkdir(parents=True)
        for number, path in enumerate(sorted(speaker.iterdir()), 1):
            samples, rate = soundfile.read(path, dtype="int16")
            soundfile.write(speech / name / f"{number}.wav", samples, rate)


def write_trials(tiny: Path) -> None:
    """All pairs of the training set's utterances, as trials of tests only."""
    utts = [line.split()[0] for line in (tiny / "train/wav.scp").read_text().splitlines()]
    pairs = ((a, b, "target" if a[:2] == b[:2] else "nontarget") for a in utts for b in utts if a < b)
    (tiny / "trials").write_text("".join(f"{a} {b} {kind}\n" for a, b, kind in pairs))


def blocks(folder: Path) -> int:
    """Bytes of a folder's files, in blocks of 4096."""
    return sum(4096 * (2 + path.lstat().st_size // 4096) for path in folder.rglob("*"))


def stopped_while_loading(ended: Ended) -> bool:
    """True if Ctrl-C came while Python loaded modules: its traceback is Python's own, before the script's main()."""
    return ended.text.rstrip().endswith("KeyboardInterrupt") and "console.run(" not in ended.text


def contents(folder: Path) -> dict[str, object]:
    """The files of a folder: bytes; of a checkpoint its tensors; of metrics.jsonl its figures without times."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file() or path.name in TIMES or set(name.parts) & set(TIMED):
            continue
        if path.name == "checkpoint.pt":
            found[str(name)] = load_tensors(path)
        elif path.name == "metrics.jsonl":
            found[str(name)] = figures(path.parent)
        else:
            found[str(name)] = path.read_bytes()
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
