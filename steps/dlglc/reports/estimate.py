"""Estimates of the time of each stage, from a sample of the files and a few updates (steps/estimate_times.py)."""

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..contrastive.task import Contrastive
from ..data.decode import AudioFile
from ..data.fbank import Fbank
from ..data.intake import Intake
from ..data.readers import Format
from ..data.views import Views
from ..dino.task import Dino
from ..encoders import build_encoder
from ..rounds.classifier import AamSoftmax, aam_losses
from ..settings.schema import DinoSettings, DlglcSettings, FbankSettings
from ..training.distributed import Processes

SAMPLE = 400  # files whose headers are read
DECODED = 8  # files that are decoded, to measure the speed
BATCH = 16  # most utterances of a measured update
UTTERANCE = 8.0  # s; about the length of the utterances of a long recording
OVERHEAD = 1.3  # time with reading, augmentation and optimiser, relative to forward and backward pass


class Corpus(NamedTuple):
    """A corpus, as estimated from a sample of its files.

    Attributes:
        files: number of files.
        hours: estimated hours of audio.
        utterances: estimated number of utterances, after long recordings are cut.
        formats: number of files in the sample for each "codec rate, channels".
        unreadable: number of files in the sample whose header cannot be read.
        decode_speed: seconds of audio that one core decodes in a second.
    """

    files: int
    hours: float
    utterances: int
    formats: Counter[str]
    unreadable: int
    decode_speed: float


def look_at_files(paths: list[str], work_dir: Path, cut_above: float) -> Corpus:
    """Read the headers of a sample of the files, and decode some of them.

    Args:
        paths: all audio files.
        work_dir: folder for temporary files.
        cut_above: longer recordings will be cut, seconds.
    """
    sample = paths if len(paths) <= SAMPLE else random.Random(0).sample(paths, SAMPLE)
    with ThreadPoolExecutor(8) as pool:
        formats = list(pool.map(header_of, sample))
    known = [found for found in formats if found]
    seconds = np.array([found.seconds for found in known]) if known else np.zeros(1)
    scale = len(paths) / len(sample)
    pieces = np.where(seconds > cut_above, seconds / UTTERANCE, 1)
    kinds = Counter(f"{found.codec} {found.rate} Hz, {found.channels} ch" for found in known)
    speed = decode_speed([path for path, found in zip(sample, formats) if found][:DECODED], work_dir)
    unreadable = len(formats) - len(known)
    hours = float(seconds.sum() * scale / 3600)
    return Corpus(len(paths), hours, max(2, round(pieces.sum() * scale)), kinds, unreadable, speed)


def header_of(path: str) -> Format | None:
    """The format of a file; None if its header cannot be read."""
    try:
        with AudioFile(path) as file:
            return file.format
    except (ValueError, OSError):
        return None


def decode_speed(paths: list[str], work_dir: Path) -> float:
    """Seconds of audio that this process decodes and resamples in a second."""
    intake, seconds, started = Intake(16000, work_dir), 0.0, time.monotonic()
    for path in paths:
        try:
            seconds += len(intake.take(path).samples) / 16000
        except (ValueError, OSError):
            continue
        if time.monotonic() - started > 5:
            break
    return max(seconds, 0.1) / max(time.monotonic() - started, 1e-3)


def pretraining_seconds(settings: DinoSettings, fbank_settings: FbankSettings, processes: Processes) -> float:
    """Seconds that stage 3 takes for one utterance, over all epochs of what stage1 asks for."""
    seconds = 0.0
    if settings.stage1 != "contrastive":
        seconds += dino_seconds(settings, fbank_settings, processes) * settings.epochs
    if settings.stage1 != "dino":
        seconds += contrastive_seconds(settings, fbank_settings, processes) * settings.contrastive.epochs
    return seconds


def contrastive_seconds(settings: DinoSettings, fbank_settings: FbankSettings, processes: Processes) -> float:
    """Seconds that contrastive pretraining takes for one utterance in one epoch."""
    fbank = Fbank(fbank_settings)
    encoder = build_encoder(settings.encoder, fbank.num_mel_bins)
    task = Contrastive(settings, encoder, Views(fbank.to(processes.device), None), processes, lambda name, state: None)
    size = min(BATCH, settings.contrastive.batch_size)
    waves = noise(2 * size, settings.contrastive.seconds, fbank).to(processes.device)
    batch = {"index": torch.arange(size, device=processes.device), "wave0": waves}
    return measured(lambda: task.step(batch, 0, 0.5)[0].backward(), processes) / size


def dino_seconds(settings: DinoSettings, fbank_settings: FbankSettings, processes: Processes) -> float:
    """Seconds that DINO takes for one utterance in one epoch."""
    fbank = Fbank(fbank_settings)
    encoder = build_encoder(settings.encoder, fbank.num_mel_bins)
    views = Views(fbank.to(processes.device), None)
    task = Dino(settings, encoder, views, processes, lambda name, state: None)
    size = min(BATCH, settings.batch_size)
    batch = {"index": torch.arange(size)}
    crops = [(settings.long_crops, settings.long_seconds), (settings.short_crops, settings.short_seconds)]
    for view, (count, seconds) in enumerate(crops):
        batch[f"wave{view}"] = noise(count * size, seconds, fbank)

    def update() -> None:
        loss, _ = task.step({key: value.to(processes.device) for key, value in batch.items()}, 0, 0.5)
        loss.backward()
        task.after_update(0.5)

    return measured(update, processes) / size


def round_seconds(
    settings: DlglcSettings, dino: DinoSettings, fbank_settings: FbankSettings, processes: Processes
) -> tuple[float, float]:
    """Seconds that a round takes for one utterance in one epoch, and that an embedding takes for a second of speech."""
    fbank = Fbank(fbank_settings).to(processes.device)
    encoder = build_encoder(dino.encoder, fbank.num_mel_bins).to(processes.device)
    classifier = AamSoftmax(dino.encoder.embedding_dim, 500, settings.scale).to(processes.device)
    size = min(BATCH, settings.batch_size)
    feats = fbank(noise(size, settings.crop_seconds, fbank).to(processes.device))
    labels = torch.arange(size, device=processes.device) % 500

    def update() -> None:
        with torch.no_grad():
            classifier(encoder(feats))  # the clean view
        aam_losses(classifier(encoder(feats)), labels, settings.scale, settings.margin).mean().backward()

    def embed() -> None:
        with torch.inference_mode():
            encoder(feats)

    return measured(update, processes) / size, measured(embed, processes) / size / settings.crop_seconds


def noise(rows: int, seconds: float, fbank: Fbank) -> torch.Tensor:
    """Random int16 waveforms."""
    samples = round(seconds * fbank.sample_rate)
    return torch.randint(-3000, 3000, (rows, samples), dtype=torch.int16)


def measured(work: Callable[[], None], processes: Processes) -> float:
    """Seconds of a call: the fastest of three calls, after a first one that is not counted."""
    times = []
    for _ in range(4):
        started = time.monotonic()
        work()
        if processes.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.monotonic() - started)
    return min(times[1:])


def estimate(
    corpus: Corpus, dino: DinoSettings, rounds: DlglcSettings, fbank: FbankSettings, count: int, jobs: int
) -> list[tuple[str, float]]:
    """A rough estimate of the seconds of each stage.

    Args:
        corpus: the training set.
        dino, rounds, fbank: settings of stage I, of the rounds, and of the features.
        count: number of rounds.
        jobs: number of parallel jobs over utterances.

    Returns:
        (stage, seconds) pairs.
    """
    processes = Processes("auto")
    seconds = 3600 * corpus.hours
    pretraining = pretraining_seconds(dino, fbank, processes) * OVERHEAD
    training, embedding = round_seconds(rounds, dino, fbank, processes)
    embed = seconds * embedding * OVERHEAD
    return [
        ("stage 1, audio and noise", seconds / corpus.decode_speed / jobs + 30),
        ("stage 2, features", seconds / 1000 / jobs + 5),
        ("stage 3, pretraining", pretraining * corpus.utterances),
        ("stage 4, pseudo labels", 2 * embed + 20),
        ("stage 5, rounds", count * (training * OVERHEAD * corpus.utterances * rounds.epochs + embed + 20)),
    ]


def in_words(seconds: float) -> str:
    """A time in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
