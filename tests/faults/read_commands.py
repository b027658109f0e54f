"""Good files for the commands of users (dlg-lc, prepare_folder.py --labels, import_encoder.py), and judges of what they
make of bad ones. A command has to end with an answer, or with one message.
"""

import contextlib
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import onnx
import soundfile
import torch
from onnx import TensorProto, helper

from dlglc.bundles.container import ONNX, SPEECH, write_bundle
from dlglc.bundles.making import speech_network
from dlglc.data.columns import Column
from dlglc.data.folder import find_audio
from dlglc.data.folder import read_labels as read_speakers
from dlglc.data.tables import write_table
from dlglc.errors import RecipeError
from dlglc.files import load_tensors
from dlglc.front.command import main
from dlglc.front.turns import Turn, rttm
from dlglc.reports.diagnosis import diagnose
from dlglc.reports.records import read_experiment, systems_of
from dlglc.reports.tables import results_table, training_section
from dlglc.rounds.labels import read_labels
from faults import read_bundles, references
from faults.judging import Silent, agree
from import_encoder import convert

RATE = 16000
IDS = [f"u{i}" for i in range(6)]


# --- dlg-lc -----------------------------------------------------------------------------------------------------------


def network() -> bytes:
    """A network of four figures of a waveform, which takes no time."""
    names = ["mean", "peak", "least", "size"]
    kinds = ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"]
    nodes = [helper.make_node(kind, ["waveform"], [name], axes=[1], keepdims=1) for kind, name in zip(kinds, names)] + [
        helper.make_node("Concat", names, ["embedding"], axis=1)
    ]
    given = helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 4])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [given], [out]), opset_imports=[helper.make_opsetid("", 13)]
    )
    model.ir_version = 8
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def make_setting(folder: Path) -> None:
    """A bundle, enrolled people and two recordings."""
    write_bundle(folder / "x.dlglc", read_bundles.PARTS | {ONNX: network(), SPEECH: speech_network()})
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        buzz = np.sin(np.cumsum(0.05 + 0.01 * np.sin(np.arange(20000) / 900))) * 0.3
        soundfile.write(folder / f"{name}.wav", buzz + 0.01 * rng.standard_normal(20000), RATE)


def make_recording(folder: Path) -> Path:
    make_setting(folder)
    return folder / "a.wav"


def judge_recording(path: Path, data: bytes) -> None:
    command(path.parent, "verify", "--false-accept", "0.05", "x.dlglc", "b.wav", "a.wav")


def make_network(folder: Path) -> Path:
    make_setting(folder)
    (folder / ONNX).write_bytes(network())
    return folder / ONNX


def make_detector(folder: Path) -> Path:
    make_setting(folder)
    (folder / SPEECH).write_bytes(speech_network())
    return folder / SPEECH


def judge_network(path: Path, data: bytes) -> None:
    """A network of a stranger, in a bundle whose checksums are right."""
    parts = read_bundles.PARTS | {ONNX: network(), SPEECH: speech_network()}
    write_bundle(path.with_name("y.dlglc"), parts | {path.name: data})
    command(path.parent, "embed", "--out", "out.npz", "y.dlglc", "a.wav")
    with np.load(path.parent / "out.npz") as arrays:
        if arrays["embeddings"].shape != (1, 4) or not np.isfinite(arrays["embeddings"]).all():
            raise Silent("something else than an embedding")


def make_scp(folder: Path) -> Path:
    make_setting(folder)
    write_table(folder / "wav.scp", {f"u{i}": str(folder / f"{name}.wav") for i, name in enumerate("abab")})
    return folder / "wav.scp"


def judge_scp(path: Path, data: bytes) -> None:
    command(path.parent, "embed", "--out", "out.npz", "x.dlglc", "wav.scp")
    with np.load(path.parent / "out.npz") as arrays:
        known = {key for key, _ in references.table(data)}
        if not set(arrays["ids"]) <= known or not np.isfinite(arrays["embeddings"]).all():
            raise Silent(f"ids {sorted(set(arrays['ids']) - known)[:3]}")


WORDS = """verify
--false-accept
0.05
--prior
0.5
--json
x.dlglc
a.wav
b.wav
"""


def make_words(folder: Path) -> Path:
    make_setting(folder)
    (folder / "words").write_text(WORDS)
    return folder / "words"


def judge_words(path: Path, data: bytes) -> None:
    words = [line.replace("\0", "") for line in os.fsdecode(data).split("\n") if line]
    before = set(os.listdir(path.parent))
    command(path.parent, *words)
    if set(os.listdir(path.parent)) - before - {"out.npz"} and words[:1] == ["verify"]:
        raise Silent("verify wrote a file")


def command(folder: Path, *words: str) -> None:
    """dlg-lc in a folder.

    Raises:
        RecipeError: with the message of the command, if it says one.
        Silent: it ends with a failure and no message.
    """
    said = io.StringIO()
    os.chdir(folder)
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf-8")):
        try:
            main(words)
            status: object = 0
        except SystemExit as error:
            status = error.code
    text = said.getvalue()
    if "Traceback" in text:
        raise AssertionError(text[-200:])
    if status in (1, 2):
        if "error:" not in text and "left out: " not in text:
            raise Silent(f"status {status} and no message")
        raise RecipeError(text)


# --- RTTM -------------------------------------------------------------------------------------------------------------

FIELD = re.compile(r"[^\s\x00-\x1f\x7f]+")


def make_name(folder: Path) -> Path:
    (folder / "name").write_text("Team meeting, 3rd of May (é).mp3")
    return folder / "name"


def judge_rttm(path: Path, data: bytes) -> None:
    """One line of ten fields for each turn, whatever the name of the recording is."""
    for line in rttm(os.fsdecode(data.replace(b"\0", b"")), [Turn(0.5, 1.25, 0), Turn(2, 3, 1)]):
        words = line.split(" ")
        if len(words) != 10 or not all(FIELD.fullmatch(word) for word in words) or words[0] != "SPEAKER":
            raise Silent(f"a line that is none: {line[:100]!r}")
        line.encode()


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
