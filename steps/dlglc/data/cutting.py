"""Long recordings cut into utterances of a few seconds, by a voice activity detector (Silero VAD)."""

from typing import Any

import numpy as np

from ..arrays import Array

FRAME = 512  # samples of 16 kHz, the detector's
RATE = 16000
STRETCH = 300 * RATE  # samples that the detector looks at together; memory does not grow with the recording
PAD = 0.1  # s of silence that is kept on both sides of speech


class Cutter:
    """Cuts recordings where nobody speaks.

    The detector (the package silero-vad, which carries its ONNX model) gives a probability of speech every 32 ms. What
    it takes for speech is joined over short gaps and split at the best pause where it is long.

    Args:
        longest: seconds of an utterance at most.
        shortest: seconds; shorter pieces are left out.
        pause: seconds of silence that an utterance never crosses.
    """

    def __init__(self, longest: float = 10.0, shortest: float = 1.0, pause: float = 0.5):
        from silero_vad import load_silero_vad  # here: it sets torch's threads

        self.longest, self.shortest, self.pause = longest, shortest, pause
        self.detector: Any = load_silero_vad(sequence=True)

    def cut(self, samples: Array) -> list[tuple[int, int]]:
        """Utterances of a recording.

        Args:
            samples: (N,) float32 of full scale 1, 16 kHz; may be a memory map.

        Returns:
            [start, end) of each in samples, rising, not overlapping.
        """
        from silero_vad import get_speech_timestamps_from_probs

        speech = get_speech_timestamps_from_probs(
            self.probabilities(samples),
            sampling_rate=RATE,
            max_speech_duration_s=self.longest,
            min_silence_duration_ms=200,
            speech_pad_ms=int(1000 * PAD),
            audio_length_samples=len(samples),
        )
        return self.joined([(int(piece["start"]), int(piece["end"])) for piece in speech])

    def probabilities(self, samples: Array) -> Array:
        """Probability of speech in each frame of 32 ms, (ceil(N / 512),).

        Each stretch is brought to a common level first: the detector hears nothing in a very quiet recording.
        """
        parts = []
        for start in range(0, len(samples), STRETCH):
            stretch = np.array(samples[start : start + STRETCH], dtype=np.float32)
            loud = float(np.quantile(np.abs(stretch), 0.99))
            if loud > 0:
                stretch *= 0.3 / loud
            parts.append(self.detector.audio_forward(np.clip(stretch, -1, 1)))
        return np.concatenate(parts)

    def joined(self, speech: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Neighbours over short gaps become one utterance, up to the longest; what stays too short is left out."""
        utterances: list[tuple[int, int]] = []
        for start, end in speech:
            if utterances:
                first, last = utterances[-1]
                if start - last < (self.pause - 2 * PAD) * RATE and end - first <= self.longest * RATE:
                    utterances[-1] = (first, end)
                    continue
            utterances.append((start, end))
        return [(start, end) for start, end in utterances if end - start >= self.shortest * RATE]
