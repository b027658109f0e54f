"""Good files for the commands of users (dlg-lc, prepare_folder.py --labels, import_encoder.py), and judges of what they
make of bad ones. A command has to end with an answer, or with one message.
"""

import contextlib
import io
import os
import re
from pathlib import Path

import numpy as np
import onnx
import soundfile
from onnx import TensorProto, helper

from dlglc.bundles.container import ONNX, SPEECH, write_bundle
from dlglc.bundles.making import speech_network
from dlglc.data.tables import write_table
from dlglc.errors import RecipeError
from dlglc.front.command import main
from dlglc.front.turns import Turn, rttm
from faults import read_bundles, references
from faults.judging import Silent

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
