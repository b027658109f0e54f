"""Estimates of the time of each stage where a published encoder is adapted (run.sh --from)."""

import math
from typing import NamedTuple

import torch

from ..data.fbank import encoder_input
from ..encoders.base import evaluating
from ..encoders.halves import Halves, LastParts
from ..encoders.models import Model
from ..encoders.onnx_file import OnnxModel
from ..rounds.adaptation import Adaptation
from ..rounds.classifier import AamSoftmax, aam_losses
from ..settings.schema import DlglcSettings
from ..training.distributed import Processes
from .estimate import BATCH, OVERHEAD, Corpus, measured, noise

SECONDS = 3.0  # length of the recordings whose embedding is measured
CLASSES = 500  # of the classifier that is measured
FRAME_SHIFT = 0.01  # seconds
BYTES = 2  # of a number in hidden.ark


class Work(NamedTuple):
    """What was measured of an encoder.

    Attributes:
        embedding: seconds that one second of speech takes.
        epoch: seconds that an utterance takes in one epoch.
        again: seconds that one second of speech takes after a round.
        kept: bytes of the frozen parts' output for one second of speech; 0 = it is not kept.
    """

    embedding: float
    epoch: float
    again: float
    kept: float


def measure_adaptation(model: Model | OnnxModel, settings: DlglcSettings, processes: Processes) -> Work:
    """Measure a few updates and embeddings of the encoder to start from.

    Args:
        model: the encoder to start from. Of an ONNX file, embeddings alone are measured.
        settings: of conf/dlglc.yaml.
        processes: says the device.

    Raises:
        RecipeError: adapt.trained_parts leaves nothing frozen, and adapt.cache is set.
    """
    size = min(BATCH, settings.batch_size)
    if isinstance(model, OnnxModel):
        waves = noise(size, SECONDS, model.fbank)
        x = waves if model.encoder.waveform else encoder_input(waves, model.fbank)
        return Work(measured(lambda: model.encoder(x), processes) / size / SECONDS, 0.0, 0.0, 0.0)
    fbank, encoder, adapt = model.fbank.to(processes.device), model.encoder.to(processes.device), settings.adapt
    crops, speech = (
        encoder_input(noise(size, seconds, fbank).to(processes.device), fbank)
        for seconds in (settings.crop_seconds, SECONDS)
    )

    def speed(network: torch.nn.Module, x: torch.Tensor) -> float:
        with torch.inference_mode(), evaluating(network):
            return measured(lambda: network(x), processes) / size / SECONDS

    embedding = again = speed(encoder, speech)
    network, kept = encoder, 0.0
    if adapt.cache:
        halves = Halves(encoder.eval(), model.fbank.num_mel_bins, adapt.trained_parts)
        network = LastParts(halves).eval()  # type: ignore[assignment]
        with torch.no_grad():
            crops, speech = halves.frames(crops), halves.frames(speech)
        again = speed(network, speech)
        kept = BYTES * math.prod(halves.shape) / halves.stride / FRAME_SHIFT
    adaptation = Adaptation(adapt, encoder, network, None)
    classifier = AamSoftmax(encoder.embedding_dim, CLASSES, settings.scale).to(processes.device)
    labels = torch.arange(size, device=processes.device) % CLASSES

    def update() -> None:
        losses = aam_losses(classifier(adaptation.network(crops)), labels, settings.scale, settings.margin)
        losses.mean().backward()

    return Work(embedding, measured(update, processes) / size, again, kept)


def estimate_adaptation(
    corpus: Corpus, work: Work, settings: DlglcSettings, count: int, jobs: int
) -> list[tuple[str, float]]:
    """A rough estimate of the seconds of each stage.

    Args:
        corpus: the training set.
        work: what was measured.
        settings: of conf/dlglc.yaml.
        count: number of rounds.
        jobs: number of parallel jobs over utterances.

    Returns:
        (stage, seconds) pairs.
    """
    seconds = 3600 * corpus.hours
    training = work.epoch * corpus.utterances * settings.epochs
    return [
        ("stage 1, audio and noise", seconds / corpus.decode_speed / jobs + 30),
        ("stage 2, features", seconds / 1000 / jobs + 5),
        ("stage 3, the encoder to start from", 10.0),
        ("stage 4, pseudo labels", OVERHEAD * work.embedding * seconds + 20),
        ("stage 5, rounds", count * (OVERHEAD * (training + work.again * seconds) + 20)),
    ]
