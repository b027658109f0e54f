"""A bundle that is ready for use: recordings to embeddings, embeddings to scores and verdicts."""

import itertools
import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..bundles.container import ARRAYS, CARD, ONNX, SPEECH, Bundle, read_bundle, unpack_arrays
from ..bundles.decision import Decision
from ..bundles.engine import EncoderEngine, SpeechDetector
from ..bundles.scorer import Scorer
from ..errors import RecipeError
from .listening import Listener, Recording, band_remarks, find_speech
from .windows import SMALLEST, cut_windows, embed_windows, group_windows

Source = str | os.PathLike[str] | Array

# What Python says of contents that have other names, types or shapes than a bundle's.
UNUSABLE = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)
WINDOW = 30.0  # s; a longer recording is embedded in equal windows of at most this length
SPOKEN = 0.1  # share of a window that must be speech; windows with less are left out if others have it
NO_SPEECH, LITTLE = 0.5, 2.0  # s of speech: below the first nothing is decided, below the second it is said

VOICES_RATE = 0.1  # false-accept rate of the threshold by which windows are of one voice, for a remark
MOST_WINDOWS = 60


class Heard(NamedTuple):
    """What is known of a recording.

    Attributes:
        name: its path.
        embedding: (D,) float32, the output of the encoder.
        seconds: its length.
        speech: seconds of speech in it.
        remarks: what is doubtful about it, as phrases.
    """

    name: str
    embedding: Array
    seconds: float
    speech: float
    remarks: list[str]


class Verdict(NamedTuple):
    """The answer to whether two sides are of one person.

    Attributes:
        verdict: same, different, or undecided if there is no speech to go by.
        score: of the back-end.
        threshold: at which a score means the same person.
        false_accept: the false-accept rate of this threshold.
        probability: that both are of one person; None without a calibration, or if undecided.
        remarks: what is doubtful, as phrases with the names of the recordings.
    """

    verdict: str
    score: float
    threshold: float
    false_accept: float
    probability: float | None
    remarks: list[str]


class Model:
    """A bundle that is ready for use.

    Args:
        bundle: its contents.

    Attributes:
        id: of the bundle. Embeddings can be compared only if they are of one bundle.
        card: what is known of the model.
        sample_rate: Hz, that recordings are brought to.
        decision: thresholds and calibration.
        scorer: the back-end.
    """

    def __init__(self, bundle: Bundle):
        self.id, self.path, self.parts = bundle.id, bundle.path, bundle.parts
        try:  # the checksums of a stranger's bundle may be right, and its contents not
            self.card: dict[str, Any] = json.loads(bundle.parts[CARD])
            self.sample_rate = int(self.card["features"]["sample_rate"])
            arrays = unpack_arrays(bundle.parts[ARRAYS])
            tables = {name: arrays.pop(name) for name in ("rates", "thresholds", "misses")}
            self.decision = Decision(**tables, **self.card["decision"])
            self.scorer = Scorer(arrays=arrays, **self.card["backend"])
            self.dimension = len(arrays["mean"])
        except UNUSABLE as error:
            raise RecipeError(f"{bundle.path}: not a bundle of this recipe: {CARD} or {ARRAYS}: {error!r}") from error
        self.listener = Listener(self.sample_rate)

    @cached_property
    def engine(self) -> EncoderEngine:
        """The encoder. It is opened when it is needed."""
        return EncoderEngine(self.parts[ONNX], f"{self.path}: {ONNX}", self.dimension)

    @cached_property
    def detector(self) -> SpeechDetector:
        """Finds speech. It is opened when it is needed."""
        return SpeechDetector(self.parts[SPEECH], f"{self.path}: {SPEECH}")

    def embed(self, source: Source, sample_rate: int | None = None) -> Array:
        """The embedding of a recording, (D,) float32, not length-normalised.

        Args:
            source: path of an audio file of any format; or (N,) samples in [-1, 1], or int16.
            sample_rate: of the samples, Hz; None = that of the bundle, 16000. A file knows its own.

        Raises:
            RecipeError: the recording cannot be used; the text says why.
        """
        return self.embedding_of(self.listener.open(source, sample_rate))

    def hear(self, source: Source, sample_rate: int | None = None, count_voices: bool = False) -> Heard:
        """The embedding of a recording, and what is doubtful about it. Arguments and errors are those of embed.

        Args:
            count_voices: remark on several voices, too. It takes about twice the time.
        """
        recording = self.listener.open(source, sample_rate)
        stretches = find_speech(self.detector, recording.samples, self.sample_rate)
        seconds = len(recording.samples) / self.sample_rate
        speech = sum(end - start for start, end in stretches) / self.sample_rate
        remarks = [*recording.remarks, *band_remarks(recording, stretches)]
        if speech < NO_SPEECH:
            remarks.insert(0, f"{speech:.1f} s of speech: nothing to decide on")
        elif speech < LITTLE:
            remarks.insert(0, f"only {speech:.1f} s of speech: a score is uncertain")
        if count_voices and self.count_voices(recording, stretches) > 1:
            remarks.append("perhaps of several voices: `dlg-lc who-is-who` on this one recording shows them")
        return Heard(recording.name, self.embedding_of(recording, stretches), seconds, speech, remarks)

    def count_voices(self, recording: Recording, stretches: list[tuple[int, int]]) -> int:
        """The number of voices that speak one after the other in an open recording.

        In a long one, MOST_WINDOWS windows are listened to.

        Args:
            stretches: of speech.
        """
        windows = cut_windows(stretches, self.sample_rate)
        windows = [windows[i] for i in np.unique(np.linspace(0, len(windows) - 1, MOST_WINDOWS).astype(int)) if windows]
        if len(windows) < 2 * SMALLEST:
            return 1
        rate = min(max(VOICES_RATE, float(self.decision.rates[0])), float(self.decision.rates[-1]))
        embeddings = embed_windows(self.engine, recording.samples, windows)
        labels = group_windows(self.scorer, embeddings, self.decision.threshold(rate))
        return max(1, int(np.count_nonzero(np.bincount(labels) >= SMALLEST)))

    def embedding_of(self, recording: Recording, stretches: list[tuple[int, int]] | None = None) -> Array:
        """The embedding of an open recording: of all of it, or the mean over its windows if it is long.

        Args:
            stretches: of speech, if they are known.
        """
        samples = recording.samples
        count = -(-len(samples) // int(WINDOW * self.sample_rate))
        if count == 1:
            embedding: Array = self.engine.embed(samples[0 : len(samples)][None])[0]
            return embedding
        if stretches is None:
            stretches = find_speech(self.detector, samples, self.sample_rate)
        edges = np.linspace(0, len(samples), count + 1).astype(int).tolist()
        spoken = [
            sum(max(0, min(end, b) - max(start, a)) for start, end in stretches) >= SPOKEN * (b - a)
            for a, b in itertools.pairwise(edges)
        ]
        windows = [pair for pair, good in zip(itertools.pairwise(edges), spoken) if good or not any(spoken)]
        total = sum(self.engine.embed(samples[start:end][None])[0].astype(np.float64) for start, end in windows)
        mean: Array = (total / len(windows)).astype(np.float32)
        return mean

    def score(self, enrolment: Sequence[Array] | Array, test: Array) -> float:
        """The score of a test embedding (D,) against the embeddings (D,) of one or more recordings of a person."""
        vectors = self.scorer.represent(np.atleast_2d(np.asarray(enrolment)))
        models = self.scorer.enrol(vectors, np.zeros(len(vectors), dtype=np.int64))
        return float(self.scorer.scores(models, self.scorer.represent(test[None]))[0, 0])

    def verify(
        self, enrolment: Sequence[Source], test: Source, false_accept: float = 0.01, prior: float = 0.5
    ) -> Verdict:
        """Decide whether a recording is of the person of other recordings.

        Args:
            enrolment: recordings of one person, as embed takes them.
            test: the recording in question.
            false_accept: rate of the threshold: so often two different people count as one.
            prior: for the probability: that of the same person, before anything is heard.

        Raises:
            RecipeError: a recording cannot be used, or the bundle has no threshold for this rate.
        """
        threshold = self.decision.threshold(false_accept)
        heard = [self.hear(source, count_voices=True) for source in [*enrolment, test]]
        score = self.score([one.embedding for one in heard[:-1]], heard[-1].embedding)
        remarks = [f"{one.name}: {remark}" for one in heard for remark in one.remarks]
        verdict = "same" if score >= threshold else "different"
        probability = self.decision.probability(score, prior)
        if heard[-1].speech < NO_SPEECH or sum(one.speech for one in heard[:-1]) < NO_SPEECH:
            verdict, probability = "undecided", None
        return Verdict(verdict, score, threshold, false_accept, probability, remarks)


def load_model(bundle: str | Path) -> Model:
    """Open a bundle.

    Args:
        bundle: the file that stage 7 of run.sh made.

    Raises:
        RecipeError: the file is missing, damaged, or not a bundle.
    """
    return Model(read_bundle(bundle))
