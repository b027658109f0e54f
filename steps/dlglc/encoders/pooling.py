"""Weighted statistics over time, the part of attentive pooling that moves most memory.

Written as single operations, it reads and writes the (B, T, C) activations in float32 some forty times. On a GPU, where
memory limits it, torch.compile makes a few kernels of it, which keep the values of a frame in registers.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from ..console import log

Plain = Callable[[torch.Tensor], torch.Tensor]
Weighted = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
# Largest difference of a fused form, relative to the largest value. Gradients have the precision of the activations.
TOLERANCES = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 3e-2}
SAMPLES = ((2, 8), (3, 11))  # batch and frames: with the second shape, the code for any shape is compiled


def widened(x: torch.Tensor) -> torch.Tensor:
    """float32 at least. With squares of half-precision activations, the variance would be lost."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def plain_statistics(x: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation over time of (B, T, C), as (B, 2 C), in float32 or wider."""
    wide = widened(x)
    mean = wide.mean(1)
    variance = (wide.square().mean(1) - mean.square()).clamp(min=0)
    return torch.cat([mean, (variance + 1e-7).sqrt()], dim=1)


def weighted_statistics(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Weighted mean and standard deviation over time, as (B, 2 C), in float32 or wider.

    Args:
        logits: (B, T, C); their softmax over time is the weight of each frame.
        x: (B, T, C) activations.
    """
    wide = widened(x)
    weighted = torch.softmax(logits.to(wide.dtype), dim=1) * wide
    return mean_and_deviation(weighted.sum(1), (weighted * wide).sum(1))


def mean_and_deviation(mean: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
    """(B, 2 C) from the means of values and of their squares, (B, C) each."""
    return torch.cat([mean, (square - mean.square()).clamp(min=1e-7).sqrt()], dim=1)


def moments(logits: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weighted means of x and of x², and the logarithms of the softmax's denominators, (B, C) each."""
    wide = widened(x)
    denominator = torch.logsumexp(logits.to(wide.dtype), 1)
    weighted = torch.exp(logits.to(wide.dtype) - denominator.unsqueeze(1)) * wide
    return weighted.sum(1), (weighted * wide).sum(1), denominator


def moment_gradients(
    logits: torch.Tensor,
    x: torch.Tensor,
    moments: list[torch.Tensor],
    mean_grad: torch.Tensor,
    square_grad: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of logits and x, each value from the values at its own place and (B, C) sums: one pass over memory.

    With weights a, means m = Σ a x and q = Σ a x², and gradients m' and q':  x' = a (m' + 2 x q'), and for the logits
    l' = a (x m' + x² q' - m m' - q q').

    Args:
        logits, x: (B, T, C).
        moments: what moments() returned.
        mean_grad, square_grad: (B, C), m' and q'.
    """
    wide = widened(x)
    mean, square, denominator = (one.unsqueeze(1) for one in moments)
    mean_grad, square_grad = mean_grad.unsqueeze(1), square_grad.unsqueeze(1)
    weight = torch.exp(logits.to(wide.dtype) - denominator)
    slope = wide * square_grad
    logits_grad = weight * (wide * (mean_grad + slope) - (mean * mean_grad + square * square_grad))
    return logits_grad.to(logits.dtype), (weight * (mean_grad + 2 * slope)).to(x.dtype)


class FusedMoments(torch.autograd.Function):
    """moments() and moment_gradients() in their compiled forms. Nothing of size (B, T, C) is kept but the inputs."""

    @staticmethod
    def forward(
        ctx: Any, logits: torch.Tensor, x: torch.Tensor, forward: Callable[..., Any], backward: Callable[..., Any]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mean, square, denominator = forward(logits, x)
        ctx.save_for_backward(logits, x, mean, square, denominator)
        ctx.gradients = backward
        return mean, square

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, mean_grad: torch.Tensor, square_grad: torch.Tensor) -> tuple[Any, ...]:
        logits, x, *found = ctx.saved_tensors
        return *ctx.gradients(logits, x, found, mean_grad, square_grad), None, None


@cache
def fused_statistics(device: str, channels: int, dtype: torch.dtype) -> tuple[Plain, Weighted]:
    """Fused forms of plain_statistics and weighted_statistics, or these themselves where nothing can be compiled.

    torch.compile needs a C compiler, and on a GPU Triton. Small samples are computed in both forms first.

    Args:
        device: cuda or cpu.
        channels: C.
        dtype: of the activations.
    """
    # There are a handful of kernels. They need no processes beside the training.
    here: dict[str, str | int | bool | Callable[..., Any]] = {"compile_threads": 1}
    plain: Plain = torch.compile(plain_statistics, options=here)
    forward, backward = (torch.compile(form, options=here) for form in (moments, moment_gradients))

    def weighted(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        apply: Callable[..., tuple[torch.Tensor, torch.Tensor]] = FusedMoments.apply
        return mean_and_deviation(*apply(logits, x, forward, backward))

    try:
        for batch, frames in SAMPLES:
            x = torch.sin(torch.arange(float(batch * frames * channels), device=device)).view(batch, frames, channels)
            x = x.to(dtype).requires_grad_()
            with torch.enable_grad(), torch.autocast(device, enabled=False):
                expected = with_gradient(plain_statistics(x) + weighted_statistics(-x, x), x)
                found = with_gradient(plain(x) + weighted(-x, x), x)
            far = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(expected, found))
            if not far <= TOLERANCES[dtype]:
                raise ArithmeticError(f"its results differ by {far:.1e}")
    except Exception as error:  # compilers fail in many ways, and none of them may end a training
        log.warning("attentive pooling: torch.compile does not work here, a slower form is used: %s", str(error)[:200])
        return plain_statistics, weighted_statistics
    return plain, weighted


def with_gradient(output: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """An output, and the gradient of its weighted sum with respect to x."""
    weights = torch.linspace(-1, 1, output.shape[1], device=output.device)
    return output.detach(), torch.autograd.grad((output * weights).sum(), x)[0]
