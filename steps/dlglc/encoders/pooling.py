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
SAMPLES = ((32, 200), (24, 300))  # batch and frames; the compiler chooses blocks for sizes like the first one


def widened(x: torch.Tensor) -> torch.Tensor:
    """float32 at least. With squares of half-precision activations, the variance would be lost."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def plain_statistics(x: torch.Tensor) -> torch.Tensor:
    """Mean and standard deviation over time of (B, T, C), as (B, 2 C), in float32 or wider."""
    return mean_and_spread(*plain_moments(x))


def plain_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Means of x and of x² over time, (B, C) each, in float32 or wider."""
    wide = widened(x)
    return wide.mean(1), wide.square().mean(1)


def mean_and_spread(mean: torch.Tensor, square: torch.Tensor) -> torch.Tensor:
    """As mean_and_deviation, for values whose deviation may be 0."""
    return torch.cat([mean, ((square - mean.square()).clamp(min=0) + 1e-7).sqrt()], dim=1)


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
    mean: torch.Tensor,
    square: torch.Tensor,
    denominator: torch.Tensor,
    mean_grad: torch.Tensor,
    square_grad: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of logits and x, each value from the values at its own place and (B, C) sums: one pass over memory.

    With weights a, means m = Σ a x and q = Σ a x², and gradients m' and q':  x' = a (m' + 2 x q'), and for the logits
    l' = a (x m' + x² q' - m m' - q q').

    Args:
        logits, x: (B, T, C).
        mean, square, denominator: (B, C), what moments() returned.
        mean_grad, square_grad: (B, C), m' and q'.
    """
    wide = widened(x)
    mean, square, denominator, mean_grad, square_grad = (
        one.unsqueeze(1) for one in (mean, square, denominator, mean_grad, square_grad)
    )
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
        return *ctx.gradients(logits, x, *found, mean_grad, square_grad), None, None


def compiled(form: Callable[..., Any]) -> Callable[..., Any]:
    """torch.compile of a function of (B, T, C) and (B, C) tensors, once for any B and T."""
    # There are a handful of kernels. They need no processes beside the training.
    here: dict[str, str | int | bool | Callable[..., Any]] = {"compile_threads": 1}
    fast = torch.compile(form, options=here)

    def run(*tensors: torch.Tensor) -> Any:
        for tensor in tensors:
            for axis in range(tensor.ndim - 1):
                torch._dynamo.maybe_mark_dynamic(tensor, axis)
        return fast(*tensors)

    return run


@cache
def fused_statistics(device: str, channels: int, dtype: torch.dtype) -> tuple[Plain, Weighted]:
    """Fused forms of plain_statistics and weighted_statistics, or these themselves where they cannot be compiled.

    torch.compile needs a C compiler, and on a GPU Triton. Samples are computed in both forms first.

    Args:
        device: cuda or cpu.
        channels: C.
        dtype: of the activations.
    """
    moments_of_x, forward, backward = compiled(plain_moments), compiled(moments), compiled(moment_gradients)

    def plain(x: torch.Tensor) -> torch.Tensor:
        return mean_and_spread(*moments_of_x(x))

    def weighted(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        apply: Callable[..., tuple[torch.Tensor, torch.Tensor]] = FusedMoments.apply
        return mean_and_deviation(*apply(logits, x, forward, backward))

    samples = [
        torch.sin(torch.arange(float(batch * frames * channels), device=device)).view(batch, frames, channels).to(dtype)
        for batch, frames in SAMPLES
    ]
    plain_works = same("plain", plain, plain_statistics, [(x,) for x in samples])
    weighted_works = same("weighted", weighted, weighted_statistics, [(-x, x) for x in samples])
    return plain if plain_works else plain_statistics, weighted if weighted_works else weighted_statistics


def same(name: str, fused: Callable[..., Any], form: Callable[..., Any], samples: list[Any]) -> bool:
    """True if a fused form gives what the plain one gives, with its gradients; else a warning says why not.

    Args:
        name: of the statistics.
        fused, form: functions of (B, T, C) tensors.
        samples: their arguments.
    """
    try:
        for tensors in samples:
            with torch.enable_grad(), torch.autocast(tensors[0].device.type, enabled=False):
                found, expected = (with_gradients(one, tensors) for one in (fused, form))
            far = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected))
            if not far <= TOLERANCES[tensors[0].dtype]:
                raise ArithmeticError(f"its results differ by {far:.1e}")
    except Exception as error:  # compilers fail in many ways, and none of them may end a training
        log.warning(
            "attentive pooling, %s statistics: torch.compile does not work here, a slower form is used: %s",
            name, str(error)[:200],
        )  # fmt: skip
        return False
    return True


def with_gradients(form: Callable[..., torch.Tensor], tensors: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """The output of a form, and the gradients of its weighted sum with respect to its inputs."""
    inputs = [one.detach().requires_grad_() for one in tensors]
    output = form(*inputs)
    weights = torch.linspace(-1, 1, output.shape[1], device=output.device)
    return [output.detach(), *torch.autograd.grad((output * weights).sum(), inputs)]
