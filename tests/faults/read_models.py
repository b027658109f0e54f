"""Good models, checkpoints, PLDA, audio files and archives, and judges of how bad ones are read."""

import math
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch

from dlglc.data.audio import Recordings
from dlglc.data.download import unpack, unzip
from dlglc.data.intake import Intake
from dlglc.data.tables import write_table
from dlglc.encoders import build_encoder
from dlglc.encoders.models import load_model, save_model
from dlglc.extras import kaldi_plda
from dlglc.files import load_tensors, save_tensors
from dlglc.scoring.plda import Plda, load_plda, save_plda
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, FbankSettings
from faults.judging import Silent

IDS = [f"u{i}" for i in range(6)]
RATE = 16000


# --- models -----------------------------------------------------------------------------------------------------------


def small_model() -> tuple:
    fbank = load_settings(FbankSettings)
    words = [
        "encoder.channels=8",
        "encoder.embedding_dim=4",
        "encoder.aggregate=0",
        "encoder.scale=4",
        "encoder.attention=4",
    ]
    encoder = load_settings(DinoSettings, None, words).encoder
    torch.manual_seed(0)
    return encoder, fbank, build_encoder(encoder, fbank.num_mel_bins).state_dict()


_model: list[tuple] = []


def the_model() -> tuple:
    if not _model:
        _model.append(small_model())
    return _model[0]


def make_model(folder: Path) -> Path:
    save_model(folder / "model.pt", *the_model(), "wav")
    return folder / "model.pt"


def make_unsealed_model(folder: Path) -> Path:
    encoder, fbank, state = the_model()
    torch.save(
        {"encoder": encoder.model_dump(), "fbank": fbank.model_dump(), "input": "wav", "state": state}, folder / "m.pt"
    )
    return folder / "m.pt"


def judge_model(path: Path, data: bytes) -> None:
    model = load_model(path)
    wanted = the_model()[2]
    found = model.encoder.state_dict()
    if (
        found.keys() != wanted.keys()
        or not all(torch.equal(found[k], wanted[k]) for k in wanted)
        or model.input != "wav"
    ):
        raise Silent("other weights")


CHECKPOINT = {
    "module": {"w": torch.arange(300.0)},
    "position": [1, 2],
    "world": 1,
    "rng": torch.arange(16, dtype=torch.uint8),
}


def make_checkpoint(folder: Path) -> Path:
    save_tensors(CHECKPOINT, folder / "checkpoint.pt")
    return folder / "checkpoint.pt"


def judge_checkpoint(path: Path, data: bytes) -> None:
    found = load_tensors(path)
    tensors = all(
        torch.equal(a, b)
        for a, b in ((found["module"]["w"], CHECKPOINT["module"]["w"]), (found["rng"], CHECKPOINT["rng"]))
    )
    if not tensors or found["position"] != [1, 2] or found["world"] != 1:
        raise Silent("another state")


def the_plda() -> Plda:
    rng = np.random.default_rng(1)
    shapes = [(6,), (6, 3), (3,), (3,), (3, 3), (3,)]
    return Plda(*(np.abs(rng.standard_normal(shape)) for shape in shapes))


def make_plda(folder: Path) -> Path:
    save_plda(folder / "plda.npz", the_plda())
    return folder / "plda.npz"


def judge_plda(path: Path, data: bytes) -> None:
    found = vars(load_plda(path))
    if not all(np.array_equal(found[name], value) for name, value in vars(the_plda()).items()):
        raise Silent("another PLDA")


def make_kaldi_plda(folder: Path) -> Path:
    vector, matrix = "[ 0.5 1.5 2.5 ]", "[\n  1 0 0\n  0 1 0\n  0 0 1 ]"
    (folder / "plda").write_text(f"<Plda> {vector}\n{matrix}\n{vector}\n</Plda> ")
    (folder / "mean.vec").write_text("[ 1 2 3 4 ]\n")
    (folder / "transform.mat").write_text("[\n  1 0 0 0\n  0 1 0 0\n  0 0 1 0 ]\n")
    return folder / "plda"


def judge_kaldi_plda(path: Path, data: bytes) -> None:
    found = kaldi_plda.load_kaldi_plda(path.parent)
    if not all(np.isfinite(array).all() for array in vars(found).values()):
        raise Silent("NaN in a PLDA")


# --- audio and archives -----------------------------------------------------------------------------------------------


def write_audio(name: str, subtype: str | None = None, **options: object) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        soundfile.write(folder / name, 0.3 * np.sin(np.arange(24000) / 20), RATE, subtype=subtype, **options)
        return folder / name

    return make


def judge_audio(path: Path, data: bytes) -> None:
    """What is taken has finite samples, and no more of them than such a file can have: 2 bits of FLAC are a frame."""
    folder = path.parent / "spool"
    folder.mkdir(exist_ok=True)
    taken = Intake(RATE, folder).take(str(path))
    count, total = len(taken.samples), 0.0
    for at in range(0, count, 1 << 18):
        total += float(np.abs(taken.samples[at : at + (1 << 18)]).sum())
    if not math.isfinite(total) or count > 10_000_000:
        raise Silent(f"{count} samples, sum {total}")


def judge_in_place(path: Path, data: bytes) -> None:
    """Audio that stays where it is: as many samples as its header says, or refused."""
    write_table(path.parent / "wav.scp", {"u0": str(path)})
    recordings = Recordings(path.parent, RATE)
    samples = recordings.read(0)
    if len(samples) != recordings.num_samples[0]:
        raise Silent("fewer samples than the header says")


def make_tar(folder: Path) -> Path:
    (folder / "in/top/sub").mkdir(parents=True)
    (folder / "in/top/sub/a").write_bytes(b"1" * 2000)
    (folder / "in/top/b").write_text("2")
    with tarfile.open(folder / "x.tar", "w") as tar:
        tar.add(folder / "in/top", "top")
    shutil.rmtree(folder / "in")
    return folder / "x.tar"


def make_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("top/a", b"1" * 2000)
        archive.writestr("top/b", "2")
    return folder / "x.zip"


def judge_archive(path: Path, data: bytes) -> None:
    """Nothing is written outside of the folder."""
    out = path.parent / "out"
    before = set(os.listdir(path.parent))
    if path.suffix == ".tar":
        unpack(path, out, 0)
    else:
        unzip([path], out)
    strange = set(os.listdir(path.parent)) - before - {"out"}
    shutil.rmtree(out, ignore_errors=True)
    if strange:
        raise Silent(f"written outside: {strange}")
