"""The statistics of attentive pooling for trainings on a CPU: gradients by hand, in pieces that fit its cache.

They are those of pooling.py, up to rounding. Written as single operations, they pass over the (B, T, C) activations
some forty times, forward and backward, and a CPU waits for its memory each time. Here they do with fewer passes.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from .pooling import mean_and_deviation, widened

Moments = tuple[torch.Tensor, torch.Tensor]

PIECE = 1 << 18  # activations that are taken together: 1 MiB


def pieces(x: torch.Tensor) -> Iterator[slice]:
    """Utterances of (B, T, C) that are taken together."""
    rows = max(1, PIECE // max(1, x[0].numel()))
    return (slice(start, start + rows) for start in range(0, len(x), rows))


class PlainMoments(torch.autograd.Function):
    """Means over time of x (B, T, C) and of x², (B, C) each."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> Moments:
        ctx.save_for_backward(x)
        return x.mean(1), torch.cat([x[part].square().mean(1) for part in pieces(x)])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, mean_grad: torch.Tensor, square_grad: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        frames = x.shape[1]
        return torch.addcmul((mean_grad / frames).unsqueeze(1), x, (2 / frames * square_grad).unsqueeze(1))


class WeightedMoments(torch.autograd.Function):
    """Weighted means over time of x (B, T, C) and of x², (B, C) each. The softmax of the logits is the weight."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, x: torch.Tensor) -> Moments:
        weights, mean = torch.empty_like(x), x.new_empty(len(x), x.shape[2])
        square = torch.empty_like(mean)
        for part in pieces(x):
            weights[part] = torch.softmax(logits[part], dim=1)
            weighted = weights[part] * x[part]
            mean[part] = weighted.sum(1)
            square[part] = weighted.mul_(x[part]).sum(1)
        ctx.save_for_backward(weights, x, mean, square)
        return mean, square

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, mean_grad: torch.Tensor, square_grad: torch.Tensor) -> Moments:
        """The formulas are those of pooling.moment_gradients."""
        weights, x, mean, square = ctx.saved_tensors
        logits_grad, x_grad = torch.empty_like(x), torch.empty_like(x)
        offset = (-mean * mean_grad - square * square_grad).unsqueeze(1)
        mean_grad, square_grad = mean_grad.unsqueeze(1), square_grad.unsqueeze(1)
        for part in pieces(x):
            slope = torch.addcmul(mean_grad[part], x[part], square_grad[part])
            logits_grad[part] = torch.addcmul(offset[part], x[part], slope).mul_(weights[part])
            x_grad[part] = slope.addcmul_(x[part], square_grad[part]).mul_(weights[part])
        return logits_grad, x_grad


def plain_statistics(x: torch.Tensor) -> torch.Tensor:
    """See pooling.plain_statistics."""
    apply: Callable[..., Moments] = PlainMoments.apply
    mean, square = apply(widened(x))
    return torch.cat([mean, ((square - mean.square()).clamp(min=0) + 1e-7).sqrt()], dim=1)


def weighted_statistics(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """See pooling.weighted_statistics."""
    wide = widened(x)
    apply: Callable[..., Moments] = WeightedMoments.apply
    return mean_and_deviation(*apply(logits.to(wide.dtype), wide))
