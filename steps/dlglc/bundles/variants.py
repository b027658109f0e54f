"""Variants of an ONNX network with smaller weights."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RecipeError


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
        logging.disable(logging.WARNING)  # a warning for each layer, about steps that change nothing here
        try:
            quantize_dynamic(source, target, weight_type=QuantType.QUInt8, nodes_to_exclude=front, per_channel=False)
        finally:
            logging.disable(logging.NOTSET)
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
