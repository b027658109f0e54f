"""The networks of a bundle, run by onnxruntime on the CPU."""

import os
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import RecipeError

FRAME, CONTEXT = 512, 64  # samples at 16 kHz of a frame of the detector, and of the one before that it looks at
BLOCK = 512  # frames of one call


def open_network(content: bytes, name: str) -> Any:
    """A network of onnxruntime. It takes as many threads as OMP_NUM_THREADS says, else one for each core.

    Args:
        content: the network in ONNX's form. It cannot name other files.
        name: of the network, for messages.

    Raises:
        RecipeError: it is no network that can be run.
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    options.log_severity_level = 4  # what goes wrong is said by the exception
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has types of its own
        raise unusable(name, error) from error


def run_network(network: Any, name: str, outputs: list[str] | None, inputs: dict[str, Array]) -> list[Array]:
    """The outputs of a network.

    Raises:
        RecipeError: it has other inputs or outputs, or fails.
    """
    try:
        found: list[Array] = network.run(outputs, inputs)
    except Exception as error:
        raise unusable(name, error) from error
    return found


def unusable(name: str, error: object) -> RecipeError:
    """The error for a network that is not one of this recipe."""
    reason = " ".join(str(error).split())[:200]
    return RecipeError(f"{name}: not a network of this recipe: {reason}: take the bundle from its publisher again")


class EncoderEngine:
    """The encoder of a bundle: waveforms to embeddings.

    Args:
        content: the network.
        name: of it, for messages.
        dimension: D, if it is known.
    """

    def __init__(self, content: bytes, name: str = "the encoder", dimension: int | None = None):
        self.network, self.name, self.dimension = open_network(content, name), name, dimension

    def embed(self, waveforms: Array) -> Array:
        """(B, N) float32 in [-1, 1] at the sample rate of the bundle to (B, D) float32.

        Raises:
            RecipeError: the network fails, or gives something else than finite numbers of this shape.
        """
        inputs = {"waveform": np.ascontiguousarray(waveforms, dtype=np.float32)}
        embeddings = run_network(self.network, self.name, None, inputs)[0]
        known = isinstance(embeddings, np.ndarray) and embeddings.ndim == 2 and embeddings.dtype == np.float32
        wanted = (len(waveforms), self.dimension or (embeddings.shape[1] if known else "D"))
        if not known or embeddings.shape != wanted or not np.isfinite(embeddings).all():
            raise unusable(self.name, f"it gives something else than {wanted[0]} x {wanted[1]} finite numbers")
        return embeddings


class SpeechDetector:
    """Silero VAD in its form for whole recordings (https://github.com/snakers4/silero-vad, MIT licence).

    The package silero-vad needs torch. This class runs the same network without it.
    """

    def __init__(self, content: bytes, name: str = "the detector of speech"):
        self.network, self.name = open_network(content, name), name

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
            values, state["h"], state["c"] = run_network(self.network, self.name, outputs, {"input": block, **state})
            if np.size(values) != len(block) or not np.isfinite(values).all():
                raise unusable(self.name, f"it gives something else than {len(block)} finite numbers")
            parts.append(values.reshape(-1))
        return np.concatenate(parts)
