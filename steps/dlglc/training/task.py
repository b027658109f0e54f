"""The interface between the training loop and the two stages."""

from typing import Any

import torch
from torch import nn

from ..arrays import Array

Figures = dict[str, Any]  # numbers and 0-dim tensors by name
State = dict[str, torch.Tensor]  # an encoder's state dict


class Task:
    """A loss, and what happens before and after a step or an epoch.

    Attributes:
        module: what is optimised, from Processes.wrap.
    """

    module: nn.Module

    def rate_factors(self) -> dict[nn.Parameter, float]:
        """Factors of the learning rate, for parameters that do not have the factor 1."""
        return {}

    def state(self) -> dict[str, Any]:
        """Tensors and plain values for the checkpoint, besides the module.

        A tensor whose key begins with "sum:" is summed over the processes.
        """
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what state() returned."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of an epoch (from 0), also if the epoch is resumed in its middle."""

    def step(self, batch: dict[str, torch.Tensor], epoch: int, progress: float) -> tuple[torch.Tensor, Figures]:
        """Compute the loss of a batch.

        Args:
            batch: from Crops.batch or FeatureCrops.batch, on the training device.
            epoch: from 0.
            progress: finished share of the whole run, in [0, 1).

        Returns:
            The loss, and 0-dim tensors or numbers, whose means over the epoch are logged.
        """
        raise NotImplementedError

    def before_update(self, epoch: int) -> None:
        """Called between the backward pass and the step of the optimiser."""

    def after_update(self, progress: float) -> None:
        """Called after the step of the optimiser."""

    def end_epoch(self, epoch: int) -> Figures:
        """Further figures for the epoch's line of metrics.jsonl."""
        return {}

    def finished(self) -> bool:
        """True if no further epoch is wanted. It follows from state(): a resumed run asks again."""
        return False

    def histograms(self, epoch: int) -> dict[str, Array]:
        """Values of an epoch (from 0) whose distributions TensorBoard shows, by name. Called after end_epoch."""
        return {}

    def final_state(self) -> State:
        """The state dict of the encoder to keep, after the last epoch."""
        raise NotImplementedError

    def check_epoch(self, epoch: int, figures: Figures) -> None:
        """Check the epoch's line of metrics.jsonl after it is written. A RecipeError ends the run."""
