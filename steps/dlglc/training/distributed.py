"""One training in several processes, on the GPUs of one or more machines."""

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
from ..precision import use_exact_products

DRIVER = Path("/dev/nvidiactl")  # is there where the driver of an NVIDIA GPU is loaded

Module = TypeVar("Module", bound=nn.Module)

LAUNCH = "torchrun sets these variables for each process: start with torchrun, or `unset RANK WORLD_SIZE LOCAL_RANK`"


class Processes:
    """The processes of a training, as torchrun starts them. Without torchrun there is one process.

    On a GPU, products are in full float32 from now on (see precision.py).

    Args:
        device: auto, cpu or cuda. auto takes the CPU if torch finds no GPU, and says so where a driver is loaded.

    Attributes:
        rank: number of this process, from 0.
        world: number of processes.
        device: the device of this process.

    Raises:
        RecipeError: a GPU is asked for, but torch finds none, or fewer than processes on this machine;
            the environment is not one that torchrun sets.
    """

    def __init__(self, device: str = "auto"):
        self.rank, self.world, local = read_places()
        found = torch.cuda.is_available()
        cuda = found if device == "auto" else device.startswith("cuda")
        if cuda and not found:
            raise RecipeError(f"--device cuda: torch finds no GPU: {gpu_remedy(cuda_failure())}, or pass --device cpu")
        if device == "auto" and not found and DRIVER.exists():
            log.warning("--device auto: this machine has a GPU, but the CPU is used: %s", gpu_remedy(cuda_failure()))
        if cuda and local >= torch.cuda.device_count():
            raise RecipeError(
                f"process {local + 1} of this machine finds {torch.cuda.device_count()} GPUs: start as many processes "
                "as there are GPUs (torchrun --nproc_per_node, run.sh --ngpu)"
            )
        self.device = torch.device(f"cuda:{local}") if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(self.device)
            use_exact_products()
        if self.world > 1:
            try:
                # With its device, NCCL connects now, and no later call has to guess which GPU is meant.
                dist.init_process_group("nccl" if cuda else "gloo", device_id=self.device if cuda else None)
            except (RuntimeError, ValueError) as error:
                raise RecipeError(
                    f"the processes of this training do not find each other: {error}: {LAUNCH}"
                ) from error
        if self.rank:
            log.setLevel(logging.WARNING)  # one process writes the log

    @property
    def first(self) -> bool:
        """True for the process that writes files."""
        return self.rank == 0

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum over processes, in place. Every process must call this."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        """Mean over processes, in place. Every process must call this."""
        return self.sum(tensor).div_(self.world) if self.world > 1 else tensor

    def maximum(self, value: int) -> int:
        """The largest value over processes. Every process must call this."""
        if self.world == 1:
            return value
        tensor = torch.tensor(value, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return int(tensor)

    def agree(self, value: int) -> bool:
        """True if every process has the value of the first one. Every process must call this."""
        if self.world == 1:
            return True
        first = torch.tensor(value, device=self.device)
        dist.broadcast(first, 0)
        return self.maximum(int(int(first) != value)) == 0

    def wait(self) -> None:
        """Wait until every process has called this."""
        if self.world > 1:
            dist.barrier()

    def wrap(self, module: nn.Module) -> nn.Module:
        """Move a module to the device. With several processes, average its gradients (DistributedDataParallel).

        The first process saves the running statistics of batch norm. Synchronised ones are equal everywhere, and others
        of the other processes are read by nobody. So no forward pass sends them (broadcast_buffers).
        """
        module = self.synchronise(module.to(self.device))
        if self.world == 1:
            return module
        return nn.parallel.DistributedDataParallel(
            module,
            device_ids=[self.device.index] if self.device.type == "cuda" else None,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,  # gradients are not copied into the messages: they lie there
        )

    def synchronise(self, module: Module) -> Module:
        """Compute batch norm over the samples of all processes. torch can do this on GPUs only."""
        if self.world > 1 and self.device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return module

    def close(self) -> None:
        """Call this last. All processes leave the group together and then exit.

        A process that ends early breaks the connection of the others. A normal exit is not safe either, because
        Python's shutdown and the communication threads of torch run at the same time. On a busy machine, one process in
        some dozens crashed with "terminate called without an active exception" after its work was done. torchrun
        reports such a crash as a failure.
        """
        if self.world > 1:
            self.wait()
            dist.destroy_process_group()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)


def cuda_failure() -> str:
    """Torch's own words for why it finds no GPU. Empty if there are none."""
    try:
        torch.cuda.init()
    except (AssertionError, RuntimeError) as error:
        return str(error)
    return ""


def gpu_remedy(failure: str) -> str:
    """What to do if torch finds no GPU.

    Args:
        failure: from cuda_failure.
    """
    if "not compiled" in failure:
        return f"torch {torch.__version__} is a build for CPUs: install a build for CUDA of the same version"
    if "too old" in failure:
        return (
            f"the NVIDIA driver is too old for torch {torch.__version__} with CUDA {torch.version.cuda}: update the "
            f"driver, or install a build of torch for an older CUDA ({failure.splitlines()[0]})"
        )
    return "check nvidia-smi and CUDA_VISIBLE_DEVICES" + (f" ({failure.splitlines()[0]})" if failure else "")


def read_places() -> tuple[int, int, int]:
    """Number of this process, number of processes, and number of this process on its machine, as torchrun sets them.

    Raises:
        RecipeError: some of the variables are missing, or do not go together.
    """
    if "RANK" not in os.environ and "WORLD_SIZE" not in os.environ:
        return 0, 1, 0
    words = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    shown = ", ".join(f"{name}={word or 'not set'}" for name, word in words.items())
    if not all(re.fullmatch("[0-9]{1,6}", word) for word in words.values()):
        raise RecipeError(f"{shown} in the environment: {LAUNCH}")
    rank, world, local = map(int, words.values())
    met = world == 1 or all(os.environ.get(name) for name in ("MASTER_ADDR", "MASTER_PORT"))
    if rank >= world or local >= world or not met:
        raise RecipeError(f"{shown} in the environment, MASTER_ADDR and MASTER_PORT with them: {LAUNCH}")
    return rank, world, local


def unwrapped(module: nn.Module) -> nn.Module:
    """The module without the wrapper DistributedDataParallel."""
    return module.module if isinstance(module, nn.parallel.DistributedDataParallel) else module


@contextmanager
def explain_lost_process(out_dir: Path, processes: Processes) -> Iterator[None]:
    """Turn the error after the loss of another process into one with a remedy.

    gloo and NCCL only say that the connection is broken.

    Raises:
        RecipeError: another process of the training, or one that reads data, has ended; the latter's own error.
    """
    try:
        yield
    except RecipeError as error:  # of a process that reads data, with its traceback
        found = re.search(r"Caught RecipeError in .*\n(?:.*\n)*[\w.]*RecipeError: ((?:.*\n?)+)", str(error))
        if not found:
            raise
        raise RecipeError(found[1].strip()) from error
    except RuntimeError as error:  # DistBackendError is one
        if "DataLoader worker" in str(error):
            raise RecipeError(
                f"{out_dir}: a process that reads data was lost ({str(error).splitlines()[0]}): mostly too little "
                "memory: use fewer workers; the last checkpoint is kept: the same command resumes from there"
            ) from error
        if processes.world == 1 or not re.search("gloo|nccl|connection", str(error), re.IGNORECASE):
            raise
        raise RecipeError(
            f"{out_dir}: another process of this training was lost; torchrun reports this process and its signal under "
            "Root Cause (SIGKILL: mostly too little memory, use fewer workers). The last checkpoint is kept: the same "
            "command resumes from there"
        ) from error
