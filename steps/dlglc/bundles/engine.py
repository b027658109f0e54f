"""The networks of a bundle, run by onnxruntime on the CPU."""

from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import RecipeError
from ..networks import open_network, run_network

FRAME, CONTEXT = 512, 64  # samples at 16 kHz of a frame of the detector, and of the one before that it looks at
BLOCK = 512  # frames of one call


class BundleNetwork:
    """A network of a bundle.

    Args:
        content: the network in ONNX's form.
        name: of it, for messages.

    Raises:
        RecipeError: it is no network that can be run.
    """

    def __init__(self, content: bytes, name: str):
        self.name = name
        try:
            self.network: Any = open_network(content)
        except RecipeError as error:
            raise self.unusable(error) from error

    def run(self, outputs: list[str] | None, inputs: dict[str, Array]) -> list[Array]:
        """Its outputs of these names, or all.

        Raises:
            RecipeError: it has other inputs or outputs, or fails.
        """
        try:
            return run_network(self.network, outputs, inputs)
        except RecipeError as error:
            raise self.unusable(error) from error

    def unusable(self, reason: object) -> RecipeError:
        """The error for a network that is not one of this recipe."""
        return RecipeError(
            f"{self.name}: not a network of this recipe: {reason}: take the bundle from its publisher again"
        )


class EncoderEngine:
    """The encoder of a bundle: waveforms to embeddings.

    Args:
        content: the network.
        name: of it, for messages.
        dimension: D, if it is known.
    """

    def __init__(self, content: bytes, name: str = "the encoder", dimension: int | None = None):
        self.network, self.dimension = BundleNetwork(content, name), dimension

    def embed(self, waveforms: Array) -> Array:
        """(B, N) float32 in [-1, 1] at the sample rate of the bundle to (B, D) float32.

        Raises:
            RecipeError: the network fails, or gives something else than finite numbers of this shape.
        """
        inputs = {"waveform": np.ascontiguousarray(waveforms, dtype=np.float32)}
        embeddings = self.network.run(None, inputs)[0]
        known = isinstance(embeddings, np.ndarray) and embeddings.ndim == 2 and embeddings.dtype == np.float32
        wanted = (len(waveforms), self.dimension or (embeddings.shape[1] if known else "D"))
        if not known or embeddings.shape != wanted or not np.isfinite(embeddings).all():
            raise self.network.unusable(f"it gives something else than {wanted[0]} x {wanted[1]} finite numbers")
        return embeddings


class SpeechDetector:
    """Silero VAD in its form for whole recordings (https://github.com/snakers4/silero-vad, MIT licence).

    The package silero-vad needs torch. This class runs the same network without it.
    """

    def __init__(self, content: bytes, name: str = "the detector of speech"):
        self.network = BundleNetwork(content, name)

    def audio_forward(self, audio: Array) -> Array:
        """Probability of speech in each frame of (N,) float32 samples at 16 kHz: (ceil(N / 512),)."""
        count = -(-len(audio) // FRAME)
        padded = np.zeros(CONTEXT + count * FRAME, dtype=np.float32)
        padded[CONTEXT : CONTEXT + len(audio)] = audio
        # Row i is frame i behind the last samples of the frame before.
        frames = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME] if count else padded[None]
        state: dict[str, Array] = {
            "h": np.zeros((1, 1, 128), dtype=np.float32),
            "c": np.zeros((1, 1, 128), dtype=np.float32),
        }
        parts: list[Array] = [np.zeros(0, dtype=np.float32)]
        for start in range(0, count, BLOCK):
            block = np.ascontiguousarray(frames[start : start + BLOCK])
            outputs = ["speech_probs", "hn", "cn"]
            values, state["h"], state["c"] = self.network.run(outputs, {"input": block, **state})
            if np.size(values) != len(block) or not np.isfinite(values).all():
                raise self.network.unusable(f"it gives something else than {len(block)} finite numbers")
            parts.append(values.reshape(-1))
        return np.concatenate(parts)
