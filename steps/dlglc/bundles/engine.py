"""The networks of a bundle, run by onnxruntime on the CPU."""

import numpy as np

from ..arrays import Array
from ..networks import open_network

FRAME, CONTEXT = 512, 64  # samples at 16 kHz of a frame of the detector, and of the one before that it looks at
BLOCK = 512  # frames of one call


class EncoderEngine:
    """The encoder of a bundle: waveforms to embeddings."""

    def __init__(self, content: bytes):
        self.network = open_network(content)

    def embed(self, waveforms: Array) -> Array:
        """(B, N) float32 in [-1, 1] at the sample rate of the bundle to (B, D) float32."""
        embeddings: Array = self.network.run(None, {"waveform": np.ascontiguousarray(waveforms, dtype=np.float32)})[0]
        return embeddings


class SpeechDetector:
    """Silero VAD in its form for whole recordings (https://github.com/snakers4/silero-vad, MIT licence).

    The package silero-vad needs torch. This class runs the same network without it.
    """

    def __init__(self, content: bytes):
        self.network = open_network(content)

    def audio_forward(self, audio: Array) -> Array:
        """Probability of speech in each frame of (N,) float32 samples at 16 kHz: (ceil(N / 512),)."""
        count = -(-len(audio) // FRAME)
        padded = np.zeros(CONTEXT + count * FRAME, dtype=np.float32)
        padded[CONTEXT : CONTEXT + len(audio)] = audio
        # Row i is frame i behind the last samples of the frame before.
        frames = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME] if count else padded[None]
        state = {"h": np.zeros((1, 1, 128), dtype=np.float32), "c": np.zeros((1, 1, 128), dtype=np.float32)}
        parts = [np.zeros(0, dtype=np.float32)]
        for start in range(0, count, BLOCK):
            block = np.ascontiguousarray(frames[start : start + BLOCK])
            values, state["h"], state["c"] = self.network.run(["speech_probs", "hn", "cn"], {"input": block, **state})
            parts.append(values.reshape(-1))
        return np.concatenate(parts)
