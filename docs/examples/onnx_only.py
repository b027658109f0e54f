#!/usr/bin/env python3
"""Compare two recordings with an exported network: onnxruntime and numpy alone, without torch and without dlglc.

Get both files from a bundle first:
    dlg-lc export bundle.dlglc --onnx model.onnx --backend backend.npz

Example
    python docs/examples/onnx_only.py model.onnx backend.npz a.wav b.wav
"""

import sys
import wave

import numpy as np
import onnxruntime


def read(path: str) -> np.ndarray:
    """Samples in [-1, 1] of a WAV file with 16 bits, mono, 16 kHz."""
    with wave.open(path) as file:
        assert (file.getsampwidth(), file.getnchannels(), file.getframerate()) == (2, 1, 16000), f"{path}: other format"
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def main(model: str, backend: str, *recordings: str) -> None:
    network = onnxruntime.InferenceSession(model)
    vectors = np.stack([network.run(None, {"waveform": read(path)[None]})[0][0] for path in recordings])
    vectors -= np.load(backend)["mean"]  # the mean of the training set
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    print(f"cosine {vectors[0] @ vectors[1]:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
