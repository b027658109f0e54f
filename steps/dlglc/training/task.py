"""What a stage gives to the training loop."""

from typing import Any

import torch
from torch import nn

Figures = dict[str, Any]  # numbers and 0-dim tensors by name
State = dict[str, torch.Tensor]  # an encoder's state dict


class Task:
    """A loss, and what happens around it. `module` is optimised (and wrapped for several processes)."""

    module: nn.Module

    def state(self) -> dict[str, Any]:
        """Tensors and plain values besides the module, for the checkpoint.

        A key that begins with "sum:" names a tensor of which each process holds its share; the checkpoint has the sum.
        """
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what state() gave."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of epoch `epoch` (from 0), also when it is resumed in its middle."""

    def step(self, batch: dict[str, torch.Tensor], epoch: int, progress: float) -> tuple[torch.Tensor, Figures]:
        """Loss of a batch on the training device, and 0-dim tensors or numbers to average and log.

        Args:
            progress: share of the whole run that is done, in [0, 1).
        """
        raise NotImplementedError

    def before_update(self, epoch: int) -> None:
        """Called between backward and the optimiser's step."""

    def after_update(self, progress: float) -> None:
        """Called after the optimiser's step."""

    def end_epoch(self, epoch: int) -> Figures:
        """Further figures for the epoch's line of metrics.jsonl."""
        return {}

    def final_state(self) -> State:
        """The state dict of the encoder to keep, after the last epoch."""
        raise NotImplementedError

    def check_epoch(self, epoch: int, figures: Figures) -> None:
        """Look at the epoch's line of metrics.jsonl, once it is written. A RecipeError ends the run."""
