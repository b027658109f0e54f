"""One training in several processes: on the GPUs of a machine, or of several."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn

from ..console import log
from ..errors import RecipeError

Module = TypeVar("Module", bound=nn.Module)


class Processes:
    """This process among those that torchrun started; under a plain `python` it is the only one.

    Args:
        device: auto, cpu or cuda.

    Raises:
        RecipeError: a GPU is asked for and torch sees none.
    """

    def __init__(self, device: str = "auto"):
        self.rank = int(os.environ.get("RANK", 0))
        self.world = int(os.environ.get("WORLD_SIZE", 1))
        local = int(os.environ.get("LOCAL_RANK", 0))
        cuda = torch.cuda.is_available() if device == "auto" else device.startswith("cuda")
        if cuda and not torch.cuda.is_available():
            raise RecipeError("--device cuda: torch sees no GPU: check nvidia-smi, or pass --device cpu")
        self.device = torch.device(f"cuda:{local}") if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(self.device)
            torch.set_float32_matmul_precision("high")  # TF32 for products too, as it is for convolutions
        if self.world > 1:
            dist.init_process_group("nccl" if cuda else "gloo")
        if self.rank:
            log.setLevel(logging.WARNING)  # the lines of one process are enough

    @property
    def first(self) -> bool:
        """True for the one process that writes."""
        return self.rank == 0

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum over processes, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        """Mean over processes, in place."""
        return self.sum(tensor).div_(self.world) if self.world > 1 else tensor

    def maximum(self, value: int) -> int:
        """The largest of the processes' values. Every process must call this."""
        if self.world == 1:
            return value
        tensor = torch.tensor(value, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return int(tensor)

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.world > 1:
            dist.barrier()

    def wrap(self, module: nn.Module) -> nn.Module:
        """DistributedDataParallel when there are several; batch norm synchronised on GPUs (torch has none for CPUs)."""
        module = self.synchronise(module.to(self.device))
        if self.world == 1:
            return module
        return nn.parallel.DistributedDataParallel(
            module, device_ids=[self.device.index] if self.device.type == "cuda" else None
        )

    def synchronise(self, module: Module) -> Module:
        """Batch norm over the samples of all processes."""
        if self.world > 1 and self.device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return module

    def close(self) -> None:
        """The last call of a script: all processes leave the group together, and end.

        A process that ends early breaks the connection of the others. And Python's own shutdown races with torch's
        communication threads: on a busy machine one process in some dozens died with "terminate called without an
        active exception" after its work was written, which torchrun reports as a failure.
        """
        if self.world > 1:
            self.wait()
            dist.destroy_process_group()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)


def unwrapped(module: nn.Module) -> nn.Module:
    """The module itself, without DistributedDataParallel around it."""
    return module.module if isinstance(module, nn.parallel.DistributedDataParallel) else module


@contextmanager
def explain_lost_process(out_dir: Path, processes: Processes) -> Iterator[None]:
    """Say what to do when another process of the training has died; gloo and NCCL only say that nobody answers.

    Raises:
        RecipeError: another process was lost.
    """
    try:
        yield
    except RuntimeError as error:  # DistBackendError is one
        if processes.world == 1 or not re.search("gloo|nccl|connection", str(error), re.IGNORECASE):
            raise
        raise RecipeError(
            f"{out_dir}: another process of this training was lost; torchrun names it and its signal under Root Cause "
            "(SIGKILL: mostly memory, take fewer workers). The last checkpoint is kept: the same command goes on there"
        ) from error
