"""Good bundles and files of enrolled people, and judges of how bad ones are read."""

import json
import zipfile
from pathlib import Path

import numpy as np

from dlglc.bundles.container import ARRAYS, CARD, ONNX, SPEECH, checksums, pack_arrays, read_bundle, write_bundle
from dlglc.front.model import Model
from dlglc.front.people import People
from faults.judging import Silent

DECISION = {"source": "cohort", "different": 100, "same": 0, "weight": None, "offset": None}
BACKEND = {"backend": "asnorm", "top": 2, "exact": False}
CARD_OF = {"features": {"sample_rate": 16000}, "decision": DECISION, "backend": BACKEND}
RNG = np.random.default_rng(0)
VALUES = {
    "mean": RNG.standard_normal(4).astype("f4"),
    "cohort": RNG.standard_normal((5, 4)).astype("f4"),
    "rates": np.array([0.01, 0.1]),
    "thresholds": np.array([2.0, 1.0]),
    "misses": np.zeros(0),
}
PARTS = {ONNX: b"network" * 20, SPEECH: b"detector", CARD: json.dumps(CARD_OF).encode(), ARRAYS: pack_arrays(VALUES)}


def make_bundle(folder: Path) -> Path:
    write_bundle(folder / "x.dlglc", PARTS)
    return folder / "x.dlglc"


def judge_bundle(path: Path, data: bytes) -> None:
    bundle = read_bundle(path)
    Model(bundle)
    if bundle.parts != PARTS:
        raise Silent("other parts")


def make_card(folder: Path) -> Path:
    (folder / CARD).write_bytes(PARTS[CARD])
    return folder / CARD


def make_arrays(folder: Path) -> Path:
    (folder / ARRAYS).write_bytes(PARTS[ARRAYS])
    return folder / ARRAYS


def judge_part(path: Path, data: bytes) -> None:
    """A bundle of a stranger, whose checksums are right."""
    bundle = path.with_name("y.dlglc")
    write_bundle(bundle, PARTS | {path.name: data})
    Model(read_bundle(bundle))


def make_people(folder: Path) -> Path:
    people().write(folder / "people.npz")
    return folder / "people.npz"


def people() -> People:
    return People("1234", np.array(["anna", "ben"]), np.arange(8, dtype="f4").reshape(2, 4), np.array([1, 2], "i8"))


def judge_people(path: Path, data: bytes) -> None:
    found, wanted = People.read(path, "1234"), people()
    equal = (np.array_equal(getattr(found, name), getattr(wanted, name)) for name in ("names", "sums", "counts"))
    if not all(equal):
        raise Silent("other people")


def write_bomb(path: Path) -> None:
    """A small file with 100 MB of zeros, and the checksums of a bundle."""
    parts = PARTS | {ONNX: bytes(100_000_000)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**parts, "SHA256SUMS": checksums(parts)}.items():
            archive.writestr(name, content)
