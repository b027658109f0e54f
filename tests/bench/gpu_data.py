"""Audio to train on, for tests/bench/gpu.sh."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from gpu_sizes import SECONDS, WORK, Size
from measure import ROOT

from dlglc.data.audio import packed_wav
from dlglc.files import write_lines

DATA, CLUSTERS = WORK / "data", WORK / "utt2cluster"


def make_data(size: Size, counts: list[int]) -> None:
    """Make an ark of random recordings, data directories, clusters, noise clips and rooms in WORK.

    Args:
        size: of the measurement.
        counts: utterances of each data directory `data/train{count}`. Utterances share the recordings of the ark.
    """
    DATA.mkdir(parents=True)
    samples = [SECONDS * 16000] * size.recordings
    places = write_ark(DATA / "wav.ark", samples)
    for count in counts:
        repeats = -(-count // size.recordings)
        write_folder(DATA / f"train{count}", (places * repeats)[:count], (samples * repeats)[:count])
    labels = np.random.default_rng(0).integers(size.classes, size=max(counts)).tolist()
    write_lines(CLUSTERS, (f"{utt} {label}" for utt, label in zip(utterances(max(counts)), labels)))
    command = [sys.executable, ROOT / "local/make_noise.py", "--speech", DATA / f"train{counts[0]}", WORK]
    subprocess.run([*map(str, command)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def utterances(count: int) -> list[str]:
    """Their ids."""
    return [f"u{i:06d}" for i in range(count)]


def write_folder(folder: Path, places: list[str], samples: list[int]) -> None:
    """Write the data directory of utterances at the places of an ark, with the number of samples of each."""
    folder.mkdir()
    ids = utterances(len(places))
    write_lines(folder / "wav.scp", (f"{utt} {place}" for utt, place in zip(ids, places)))
    write_lines(folder / "utt2spk", (f"{utt} {utt}" for utt in ids))
    write_lines(folder / "utt2num_samples", (f"{utt} {count}" for utt, count in zip(ids, samples)))


def write_ark(ark: Path, samples: list[int]) -> list[str]:
    """Write recordings of noise. Returns the place of each.

    Args:
        ark: the file.
        samples: of each recording.
    """
    rng, places = np.random.default_rng(0), []
    voices = (2000 * rng.standard_normal((64, max(samples)), dtype=np.float32)).astype(np.int16)
    with open(ark, "wb") as file:
        for i, (utt, count) in enumerate(zip(utterances(len(samples)), samples)):
            file.write(f"{utt} ".encode())
            places.append(f"{ark}:{file.tell()}")
            file.write(packed_wav(np.roll(voices[i % 64], rng.integers(max(samples)))[:count], 16000))
    return places
