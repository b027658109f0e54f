"""ONNX networks, run by onnxruntime on the CPU."""

import os
from typing import Any


def open_network(content: bytes) -> Any:
    """A network of onnxruntime. It takes as many threads as OMP_NUM_THREADS says, else one for each core."""
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    options.log_severity_level = 4  # none: errors come as exceptions
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
