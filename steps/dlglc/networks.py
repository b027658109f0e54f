"""ONNX networks, run by onnxruntime on the CPU."""

import os
from typing import Any

from .arrays import Array
from .errors import RecipeError

# onnxruntime reports its use to its maker, and keeps a device number and a store in ~/.cache and TMPDIR for that, from
# the moment it is imported. This variable has to be there before. (On Windows, open_network switches it off.)
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def open_network(content: bytes) -> Any:
    """A network of onnxruntime. It takes as many threads as OMP_NUM_THREADS says, else one for each core.

    Args:
        content: the network in ONNX's form. It cannot name other files.

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
    except Exception as error:  # onnxruntime raises classes of its own, which are not of one family
        raise RecipeError(f"not an ONNX network, or damaged: {_line(error)}") from error


def run_network(network: Any, outputs: list[str] | None, inputs: dict[str, Array]) -> list[Array]:
    """The outputs of these names, or all.

    Raises:
        RecipeError: it has other inputs or outputs, or fails.
    """
    try:
        found: list[Array] = network.run(outputs, inputs)
    except Exception as error:  # as above
        raise RecipeError(f"this network cannot be run: {_line(error)}") from error
    return found


def _line(error: Exception) -> str:
    """The beginning of its text, in one line."""
    return " ".join(str(error).split())[:200]
