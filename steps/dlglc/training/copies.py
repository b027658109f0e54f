"""Batches from the memory of the machine to the training device."""

import torch

from ..data.crops import Batch


class Copies:
    """Moves batches to the training device.

    A GPU copies on a stream of its own. So a batch moves while the steps before it are still computed.

    Args:
        device: the training device.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, batch: Batch) -> Batch:
        """The batch on the device. On a GPU the batch must be in pinned memory, or the copy waits."""
        if self.stream is None:
            return {key: value.to(self.device) for key, value in batch.items()}
        with torch.cuda.stream(self.stream):
            moved = {key: value.to(self.device, non_blocking=True) for key, value in batch.items()}
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(self.stream)
        for value in moved.values():
            value.record_stream(current)  # its memory is not given away before the step has used it
        return moved
