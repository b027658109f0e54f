"""checkpoint.pt: all that a training needs to go on at any step with the same bits."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import RecipeError
from ..files import load_tensors, save_tensors
from .distributed import Processes, unwrapped
from .task import Task


class Position(NamedTuple):
    """The next step to take: epoch and step, both from 0."""

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
) -> None:
    """Write a checkpoint. Every process must call this; the first one writes."""
    state = {
        key: processes.sum(value.clone().to(processes.device)).cpu() if key.startswith("sum:") else value
        for key, value in task.state().items()
    }
    # Each process has sums of its own; their mean is what every one goes on with.
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
        }
        save_tensors(contents, path)


def load_checkpoint(
    path: Path, task: Task, optimiser: torch.optim.Optimizer, scaler: torch.amp.GradScaler, processes: Processes
) -> tuple[Position, Sums]:
    """Take back what save_checkpoint wrote; position and sums are the caller's to keep.

    Raises:
        RecipeError: taken within an epoch by another number of processes, which deal out the utterances otherwise.
    """
    saved: dict[str, Any] = load_tensors(path)
    position = Position(*saved["position"])
    if saved["world"] != processes.world and position.step:
        raise RecipeError(
            f"{path}: taken in mid-epoch by {saved['world']} processes, now {processes.world}: "
            "resume with as many, or pass --overwrite"
        )
    unwrapped(task.module).load_state_dict(saved["module"])
    task.load_state(saved["task"])
    optimiser.load_state_dict(saved["optimiser"])
    scaler.load_state_dict(saved["scaler"])
    torch.set_rng_state(saved["rng"])
    return position, saved["sums"]
