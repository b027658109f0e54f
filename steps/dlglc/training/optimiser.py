"""Optimiser, learning rate, gradient clipping, and the mean of the last epochs' weights."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from ..settings.schema import OptimiserSettings


def build_optimiser(
    module: nn.Module, settings: OptimiserSettings, factors: dict[nn.Parameter, float] | None = None
) -> torch.optim.Optimizer:
    """Build the optimiser that the section `optimiser` describes. Its learning rate is set before each step.

    Args:
        module: what is trained.
        settings: the section `optimiser`.
        factors: of the learning rate, for parameters that have one of their own (the group's "factor").
    """
    groups = parameter_groups(module, settings.weight_decay, factors or {})
    # On a GPU, one kernel updates all tensors. The fused kernel for CPUs rounds differently and is not faster here.
    fused: dict[str, Any] = {"fused": True} if groups[0]["params"][0].is_cuda else {"foreach": True}
    if settings.name == "sgd":
        sgd = torch.optim.SGD(groups, lr=0.0, momentum=settings.momentum, nesterov=settings.nesterov, **fused)
        return begin_at_rest(sgd) if settings.momentum and "fused" in fused else sgd
    return torch.optim.AdamW(groups, lr=0.0, betas=(settings.momentum, 0.999), **fused)


def begin_at_rest(sgd: torch.optim.SGD) -> torch.optim.SGD:
    """SGD whose momentum is 0 from the start, instead of missing until a first gradient. The steps are equal.

    Fused SGD fails where some parameters had a gradient before and others have their first one, such as DINO's
    prototypes after freeze_last_epochs (torch 2.11 and 2.13).
    """
    for group in sgd.param_groups:
        for parameter in group["params"]:
            sgd.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return sgd


def parameter_groups(
    module: nn.Module, weight_decay: float, factors: dict[nn.Parameter, float]
) -> list[dict[str, Any]]:
    """Parameter groups: weight decay for matrices, none for biases and other 1-D tensors; one for each factor."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {(1.0, True): [], (1.0, False): []}
    for parameter in module.parameters():
        if parameter.requires_grad:
            groups.setdefault((factors.get(parameter, 1.0), parameter.ndim > 1), []).append(parameter)
    return [
        {"params": params, "weight_decay": weight_decay if decay else 0.0, "factor": factor}
        for (factor, decay), params in groups.items()
        if params
    ]


def learning_rate(settings: OptimiserSettings, epoch: float, epochs: int, batch_size: int) -> float:
    """Learning rate: a linear warm-up, then a half cosine or an exponential curve to `final_lr`.

    Args:
        settings: the section `optimiser`.
        epoch: time in epochs, with a fraction.
        epochs: epochs of the run.
        batch_size: utterances per step over all processes. Rates are multiplied by batch_size / scale_batch, unless
            scale_batch is 0.
    """
    scale = batch_size / settings.scale_batch if settings.scale_batch else 1.0
    peak, last, warm = settings.lr * scale, settings.final_lr * scale, settings.warmup_epochs
    if epoch < warm:
        return peak * epoch / warm
    share = (epoch - warm) / max(epochs - warm, 1e-9)
    if settings.schedule == "cosine":
        return last + (peak - last) * (1 + math.cos(math.pi * share)) / 2
    rate: float = peak * (last / peak) ** share
    return rate


@torch.no_grad()
def clip_each(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Limit the norm of each gradient tensor to `limit`, tensor by tensor."""
    grads = [p.grad for p in parameters if p.grad is not None]
    # One vector of all norms: three kernels on a GPU instead of three for each tensor.
    norms = torch.stack(torch._foreach_norm(grads))
    torch._foreach_mul_(grads, (limit / (norms + 1e-6)).clamp(max=1.0).unbind())


class EpochMean:
    """Mean of an encoder over the last epochs of a run (checkpoint averaging), with the statistics of batch norm.

    Args:
        count: number of epochs to average; 1 = the last one only.
        epochs: epochs of the run. Earlier epochs than the last `count` are ignored.
    """

    def __init__(self, count: int, epochs: int):
        self.first, self.count = epochs - count, min(count, epochs)
        self.sums: dict[str, torch.Tensor] = {}

    def add(self, epoch: int, state: dict[str, torch.Tensor]) -> None:
        """Add the state dict of the encoder at the end of an epoch (from 0)."""
        if epoch >= self.first:
            for name, value in state.items():
                self.sums[name] = self.sums.get(name, 0) + value.double()

    def average(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The mean, in the types of `state`. If no epoch was added, this is `state` itself."""
        return {k: (self.sums[k] / self.count).to(v.dtype) if self.sums else v for k, v in state.items()}
