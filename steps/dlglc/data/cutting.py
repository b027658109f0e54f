"""Cuts long recordings into utterances of a few seconds with a voice activity detector (Silero VAD)."""

from typing import Protocol

import numpy as np

from ..arrays import Array
from .spool import Samples

FRAME = 512  # samples at 16 kHz of a frame of the detector
RATE = 16000
STRETCH = 300 * RATE  # samples that the detector processes together, so that memory does not grow with the recording
PAD = 0.1  # s of silence that is kept on both sides of speech


class Detector(Protocol):
    """A voice activity detector."""

    def audio_forward(self, audio: Array) -> Array:
        """Probability of speech in each frame of (N,) float32 samples at 16 kHz: (ceil(N / 512),)."""


def speech_probabilities(detector: Detector, samples: Samples) -> Array:
    """Probability of speech in each frame of 32 ms, (ceil(N / 512),).

    The level of each stretch is normalised first, because the detector finds no speech in very quiet recordings.

    Args:
        samples: (N,) float32 at 16 kHz; can be in a file.
    """
    parts: list[Array] = [np.zeros(0, dtype=np.float32)]
    for start in range(0, len(samples), STRETCH):
        stretch = np.array(samples[start : start + STRETCH], dtype=np.float32)
        loud = float(np.quantile(np.abs(stretch), 0.99))
        if loud > 0:
            stretch *= 0.3 / loud
        parts.append(detector.audio_forward(np.clip(stretch, -1, 1)))
    return np.concatenate(parts)


class Cutter:
    """Cuts recordings where nobody speaks.

    The detector gives a probability of speech every 32 ms. (The package silero-vad contains its model.) Stretches of
    speech are joined over short gaps. Long stretches are split at the best pause.

    Args:
        longest: longest utterance, seconds.
        shortest: shorter utterances are left out, seconds.
        pause: an utterance contains no silence that is longer than this, seconds.
    """

    def __init__(self, longest: float = 10.0, shortest: float = 1.0, pause: float = 0.5):
        from silero_vad import load_silero_vad  # imported here, because it changes the number of torch's threads

        self.longest, self.shortest, self.pause = longest, shortest, pause
        self.detector: Detector = load_silero_vad(sequence=True)

    def cut(self, samples: Samples) -> list[tuple[int, int]]:
        """Find the utterances of a recording.

        Args:
            samples: (N,) float32 at 16 kHz, where 1 is full scale; can be in a file.

        Returns:
            First sample and end of each utterance, in order and without overlap.
        """
        from silero_vad import get_speech_timestamps_from_probs

        speech = get_speech_timestamps_from_probs(
            speech_probabilities(self.detector, samples),
            sampling_rate=RATE,
            max_speech_duration_s=self.longest,
            min_silence_duration_ms=200,
            speech_pad_ms=int(1000 * PAD),
            audio_length_samples=len(samples),
        )
        return self.joined([(int(piece["start"]), int(piece["end"])) for piece in speech])

    def joined(self, speech: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Join neighbours over short gaps up to the longest utterance, and leave out utterances that are too short."""
        utterances: list[tuple[int, int]] = []
        for start, end in speech:
            if utterances:
                first, last = utterances[-1]
                if start - last < (self.pause - 2 * PAD) * RATE and end - first <= self.longest * RATE:
                    utterances[-1] = (first, end)
                    continue
            utterances.append((start, end))
        return [(start, end) for start, end in utterances if end - start >= self.shortest * RATE]
