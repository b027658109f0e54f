"""checkpoint.pt: everything that a training needs to resume at any step with the same bits."""

import zlib
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import RecipeError
from ..files import check_finite, load_tensors, save_tensors
from .distributed import Processes, unwrapped
from .task import Task


class Position(NamedTuple):
    """The next step: its epoch and its number in the epoch, both from 0."""

    epoch: int
    step: int


Sums = dict[str, torch.Tensor]  # running sums of an epoch's figures


def save_checkpoint(
    path: Path,
    task: Task,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    position: Position,
    sums: Sums,
    processes: Processes,
    identity: str = "",
) -> None:
    """Write a checkpoint. Every process must call this, and the first one writes.

    Args:
        path: the file.
        task, optimiser, scaler: their states are saved.
        position: the next step.
        sums: running sums of the epoch's figures.
        processes: the processes of the training.
        identity: of the training's record (Stamp.identity).
    """
    state = {
        key: processes.sum(value.clone().to(processes.device)).cpu() if key.startswith("sum:") else value
        for key, value in task.state().items()
    }
    # Each process has its own sums. After resuming, every process has their mean.
    sums = {name: processes.mean(value.clone().to(processes.device)) for name, value in sums.items()}
    if processes.first:
        contents = {
            "module": unwrapped(task.module).state_dict(),
            "task": state,
            "optimiser": optimiser.state_dict(),
            "scaler": scaler.state_dict(),
            "rng": torch.get_rng_state(),
            "position": list(position),
            "world": processes.world,
            "sums": sums,
            "identity": identity,
        }
        save_tensors(contents, path)


def checksum(path: Path) -> int:
    """CRC-32 of a checkpoint, by which processes tell that they see the same file. 0 = there is none."""
    return zlib.crc32(path.read_bytes()) if path.exists() else 0


def identity_in(path: Path) -> str:
    """Identity of the training that a checkpoint is of; empty in a checkpoint of version 0.2, or a damaged one."""
    try:
        return str(load_tensors(path).get("identity", ""))
    except RecipeError:
        return ""


def load_checkpoint(
    path: Path,
    task: Task,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    processes: Processes,
    identity: str = "",
) -> tuple[Position, Sums]:
    """Restore what save_checkpoint wrote.

    Args:
        path: the file.
        task, optimiser, scaler: their states are replaced.
        processes: the processes of the training.
        identity: of the training's record; empty = any.

    Returns:
        The next step, and the running sums of the epoch's figures.

    Raises:
        RecipeError: the checkpoint is from the middle of an epoch with another number of processes. Then the utterances
            would be distributed differently. It is of another training, or not of one; or its weights are not finite.
    """
    saved: dict[str, Any] = load_tensors(path)
    remedy = "remove it, and the training begins again"
    lacking = {"module", "task", "optimiser", "scaler", "rng", "position", "world", "sums"} - saved.keys()
    if lacking:
        raise RecipeError(f"{path}: not a checkpoint of this recipe: it lacks {', '.join(sorted(lacking))}: {remedy}")
    if identity and saved.get("identity", identity) != identity:
        raise RecipeError(f"{path}: of a training with other settings: {remedy}")
    try:
        return _restore(path, saved, task, optimiser, scaler, processes)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise RecipeError(f"{path}: not a checkpoint of this training: {reason}: {remedy}") from error


def _restore(
    path: Path,
    saved: dict[str, Any],
    task: Task,
    optimiser: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    processes: Processes,
) -> tuple[Position, Sums]:
    """Put the states of a checkpoint into their places."""
    position = Position(*saved["position"])
    check_finite(saved["module"], path)
    if saved["world"] != processes.world and position.step:
        raise RecipeError(
            f"{path}: taken in the middle of an epoch by {saved['world']} processes, now {processes.world}: "
            f"resume with {saved['world']} processes, or pass --overwrite"
        )
    unwrapped(task.module).load_state_dict(saved["module"])
    task.load_state(saved["task"])
    optimiser.load_state_dict(saved["optimiser"])
    scaler.load_state_dict(saved["scaler"])
    torch.set_rng_state(saved["rng"])
    return position, saved["sums"]
