"""A trained encoder as an ONNX network: waveform in, embedding out, for any program that has onnxruntime."""

import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..arrays import Array
from ..encoders.models import Model
from ..encoders.waveform import FULL_SCALE, WaveformEncoder
from ..errors import RecipeError

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
        feats = model.fbank(torch.from_numpy(waveform * np.float32(FULL_SCALE))[None])
        embedding: Array = model.encoder(feats - feats.mean(1, keepdim=True))[0].numpy()
    return embedding


def half_weights(network: bytes) -> bytes:
    """The same network with its weights in 16 bits, half as large. They are widened when it is opened.

    Raises:
        RecipeError: the package onnx is missing.
    """
    onnx = import_onnx()
    graph = onnx.load_from_string(network)
    casts = []
    for weight in list(graph.graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 256 or weight.name in front_weights(graph):
            continue
        narrow = onnx.numpy_helper.from_array(values.astype(np.float16), f"{weight.name}.half")
        graph.graph.initializer.remove(weight)
        graph.graph.initializer.append(narrow)
        casts.append(onnx.helper.make_node("Cast", [narrow.name], [weight.name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.graph.node.insert(0, cast)
    onnx.checker.check_model(graph)
    content: bytes = graph.SerializeToString()
    return content


def int8_weights(network: bytes) -> bytes:
    """The same network with weights of 8 bits, a quarter as large; inputs of its layers are rounded as they come.

    The filter bank keeps 32 bits.

    Raises:
        RecipeError: the package onnx is missing.
    """
    onnx = import_onnx()
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load_from_string(network)
    kept = front_weights(graph)
    front = [node.name for node in graph.graph.node if kept & set(node.input)]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(network)
        quantize_dynamic(source, target, weight_type=QuantType.QUInt8, nodes_to_exclude=front, per_channel=False)
        return target.read_bytes()


def front_weights(graph: Any) -> set[str]:
    """Names of the filter bank's weights, whose range is too wide for fewer bits."""
    return {weight.name for weight in graph.graph.initializer if weight.name in ("spectrum", "mel")}


def import_onnx() -> Any:
    """The package onnx, which only variants of a network need."""
    try:
        import onnx
        import onnx.numpy_helper
    except ImportError:
        raise RecipeError("the Python package onnx is missing: pip install onnx") from None
    return onnx
