"""Audio to train on, for tests/bench/gpu.sh."""

import subprocess
import sys

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
    offsets = write_ark(size.recordings)
    for count in counts:
        folder = DATA / f"train{count}"
        folder.mkdir()
        ids = utterances(count)
        places = (f"{DATA}/wav.ark:{offsets[i % size.recordings]}" for i in range(count))
        write_lines(folder / "wav.scp", (f"{utt} {place}" for utt, place in zip(ids, places)))
        write_lines(folder / "utt2spk", (f"{utt} {utt}" for utt in ids))
        write_lines(folder / "utt2num_samples", (f"{utt} {SECONDS * 16000}" for utt in ids))
    labels = np.random.default_rng(0).integers(size.classes, size=max(counts)).tolist()
    write_lines(CLUSTERS, (f"{utt} {label}" for utt, label in zip(utterances(max(counts)), labels)))
    command = [sys.executable, ROOT / "local/make_noise.py", "--speech", DATA / f"train{counts[0]}", WORK]
    subprocess.run([*map(str, command)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


def utterances(count: int) -> list[str]:
    """Their ids."""
    return [f"u{i:06d}" for i in range(count)]


def write_ark(recordings: int) -> list[int]:
    """Write wav.ark with recordings of noise. Returns the offset of each."""
    rng, samples, offsets = np.random.default_rng(0), SECONDS * 16000, []
    voices = (2000 * rng.standard_normal((64, samples), dtype=np.float32)).astype(np.int16)
    with open(DATA / "wav.ark", "wb") as ark:
        for i, utt in enumerate(utterances(recordings)):
            ark.write(f"{utt} ".encode())
            offsets.append(ark.tell())
            ark.write(packed_wav(np.roll(voices[i % 64], rng.integers(samples)), 16000))
    return offsets
