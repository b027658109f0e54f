"""Good label lists, checkpoints of other toolkits and records of experiments, and judges of how bad ones are read."""

import json
from pathlib import Path

import numpy as np
import torch

from dlglc.data.columns import Column
from dlglc.data.folder import find_audio
from dlglc.data.folder import read_labels as read_speakers
from dlglc.data.tables import write_table
from dlglc.errors import RecipeError
from dlglc.files import load_tensors
from dlglc.reports.diagnosis import diagnose
from dlglc.reports.records import read_experiment, systems_of
from dlglc.reports.tables import results_table, training_section
from dlglc.rounds.labels import read_labels
from faults import references
from faults.judging import Silent, agree
from import_encoder import convert

IDS = [f"u{i}" for i in range(6)]


# --- label lists ------------------------------------------------------------------------------------------------------


def make_speakers(folder: Path) -> Path:
    (folder / "corpus/sub").mkdir(parents=True)
    for i in range(4):
        (folder / f"corpus/sub/u{i}.wav").write_bytes(b"RIFF")
    lines = (f"sub/u{i}.wav\tspeaker {i % 2}\tday{i}" for i in range(4))
    (folder / "labels").write_text("# who speaks\n" + "\n".join(lines) + "\n")
    return folder / "labels"


def judge_speakers(path: Path, data: bytes) -> None:
    """A line ends at a line feed; its fields are those between tabs, or between blanks if there is no tab."""
    corpus = path.parent / "corpus"
    found = read_speakers(path, corpus, find_audio(corpus))
    agree(len(found), lambda: len(references.labels(data)))
    agree(sorted(speaker for speaker, _ in found.values()), lambda: sorted(s for _, s in references.labels(data)))


def make_clusters(folder: Path) -> Path:
    write_table(folder / "utt2cluster", {utt: i % 3 for i, utt in enumerate(IDS)})
    return folder / "utt2cluster"


def judge_clusters(path: Path, data: bytes) -> None:
    labels, count = read_labels(path, Column.from_strings(IDS), path.parent)
    table = dict(references.table(data))
    names = sorted({table[utt] for utt in IDS})
    agree((labels.tolist(), count), lambda: ([names.index(table[utt]) for utt in IDS], len(names)))


# --- checkpoints of others --------------------------------------------------------------------------------------------


def entries() -> list[tuple[str, list[int]]]:
    """Names and shapes of a small ECAPA-TDNN of WeSpeaker."""
    found: list[tuple[str, list[int]]] = []

    def layer(name: str, *shape: int) -> None:
        found.extend([(f"{name}.weight", list(shape)), (f"{name}.bias", [shape[0]])])

    def norm(name: str, size: int) -> None:
        found.extend((f"{name}.{part}", [size]) for part in ("weight", "bias", "running_mean", "running_var"))
        found.append((f"{name}.num_batches_tracked", []))

    layer("layer1.conv", 16, 80, 5)
    norm("layer1.bn", 16)
    for block in ("layer2.se_res2block", "layer3.se_res2block", "layer4.se_res2block"):
        for k in (0, 2):
            layer(f"{block}.{k}.conv", 16, 16, 1)
            norm(f"{block}.{k}.bn", 16)
        for k in range(7):
            layer(f"{block}.1.convs.{k}", 2, 2, 3)
            norm(f"{block}.1.bns.{k}", 2)
        layer(f"{block}.3.linear1", 16, 16)
        layer(f"{block}.3.linear2", 16, 16)
    layer("conv", 24, 48, 1)
    layer("pool.linear1", 8, 72, 1)
    layer("pool.linear2", 24, 8, 1)
    norm("bn", 48)
    layer("linear", 6, 48)
    norm("bn2", 6)
    return found


def make_checkpoint(folder: Path) -> Path:
    torch.manual_seed(0)
    torch.save({name: torch.rand(shape) for name, shape in entries()}, folder / "avg_model.pt")
    return folder / "avg_model.pt"


def judge_checkpoint(path: Path, data: bytes) -> None:
    """The weights are those of the file, or it is refused: the archive has a CRC-32 of each part."""
    torch.manual_seed(0)
    wanted = {name: torch.rand(shape) for name, shape in entries()}
    contents = load_tensors(path)
    encoder = convert(dict(contents))[2]
    if not torch.equal(encoder.state_dict()["embedding.weight"], wanted["linear.weight"]):
        raise Silent("other weights")


def make_entries(folder: Path) -> Path:
    """The same checkpoint as text: names, shapes, and what the values are."""
    (folder / "entries.json").write_text("\n".join(json.dumps([name, shape, "rand"]) for name, shape in entries()))
    return folder / "entries.json"


def judge_entries(path: Path, data: bytes) -> None:
    """A checkpoint whose file is whole, and whose names, shapes or values are strange."""
    state = {}
    try:
        for line in data.decode().split("\n"):
            name, shape, kind = json.loads(line)
            if np.prod(shape) > 1e6:
                raise ValueError(shape)
            state[str(name)] = torch.rand(shape) if kind == "rand" else torch.full(shape, float(kind))
    except (ValueError, TypeError, RuntimeError, RecursionError) as error:
        raise RecipeError(f"not a checkpoint at all, as torch would say: {error}") from None
    encoder = convert(state)[2]
    if not all(value.isfinite().all() for value in encoder.state_dict().values()):
        raise Silent("weights that are not finite")


# --- records of an experiment -----------------------------------------------------------------------------------------

SCORED = {"eer": 10.0, "mindcf_0.01": 0.5, "mindcf_0.05": 0.3, "num_target": 60}


def make_contrast(folder: Path) -> Path:
    """A contrastive encoder, a round, and scores of both."""
    for name in ("contrastive", "round1"):
        (folder / f"exp/{name}/scores").mkdir(parents=True)
        (folder / f"exp/{name}/scores/cosine.json").write_text(json.dumps(SCORED))
        (folder / f"exp/{name}/config.yaml").write_text("head:\n  outputs: 64\n")
        (folder / f"exp/{name}/command").write_text("steps/train.py\n# code and machine\n")
    system = folder / "exp/contrastive"
    rounds = (
        {"epoch": i, "loss": 3.0 / i, "accuracy": 0.2 * i, "gate": "off" if i < 3 else "crossing", "kept": 1 / i,
         "threshold": None if i < 3 else 0.5, "corrected": 0.0, "dropped": 1 - 1 / i, "seconds": 2.5}
        for i in range(1, 5)
    )  # fmt: skip
    (folder / "exp/round1/metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in rounds))
    lines = (
        {"epoch": i, "loss": 3.0 / i, "found": 0.2 * i, "lr": 0.1, "seconds": 2.5, "utterances_per_second": 9.0}
        for i in range(1, 5)
    )
    (system / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return system / "metrics.jsonl"


def make_round(folder: Path) -> Path:
    make_contrast(folder)
    return folder / "exp/round1/metrics.jsonl"


def make_scored(folder: Path) -> Path:
    make_contrast(folder)
    return folder / "exp/round1/scores/cosine.json"


def judge_experiment(path: Path, data: bytes) -> None:
    """What RESULTS.md and the diagnosis make of it."""
    exp = next(folder for folder in path.parents if folder.name == "exp")
    results_table(read_experiment(exp))
    for system in systems_of(exp):
        training_section(system)
    diagnose(exp, None)
