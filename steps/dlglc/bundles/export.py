"""A trained encoder as an ONNX network: waveform in, embedding out, for any program that has onnxruntime."""

import io
import warnings
from typing import Any

import numpy as np
import torch

from ..arrays import Array
from ..data.fbank import encoder_input
from ..encoders.models import Model
from ..encoders.waveform import FULL_SCALE, WaveformEncoder

OPSET = 17
INPUT, OUTPUT = "waveform", "embedding"


def export_onnx(model: Model) -> bytes:
    """The filter bank and the encoder of a model.pt as one ONNX network.

    Returns:
        A network with the input `waveform`, (batch, samples) float32 in [-1, 1], and the output `embedding`, (batch, D)
        float32. Both sizes may vary from call to call. A waveform needs at least one frame.
    """
    network = WaveformEncoder(model.fbank, model.encoder).eval()
    buffer: Any = io.BytesIO()  # the exporter takes it, whatever its annotation says
    with warnings.catch_warnings(), torch.inference_mode():
        # The exporter that follows a call takes seconds. Torch recommends another one, which takes a minute here.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 2 * model.fbank.sample_rate),),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch", 1: "samples"}, OUTPUT: {0: "batch"}},
        )
    content: bytes = buffer.getvalue()
    return content


def torch_embedding(model: Model, waveform: Array) -> Array:
    """The embedding (D,) of samples (N,) in [-1, 1] by torch, as stages 4 to 6 compute it."""
    with torch.inference_mode():
        feats = encoder_input(torch.from_numpy(waveform * np.float32(FULL_SCALE))[None], model.fbank)
        embedding: Array = model.encoder(feats)[0].numpy()
    return embedding
