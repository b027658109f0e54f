"""DINO's losses and schedules as pure functions (Caron et al., ICCV 2021)."""

import math
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from ..settings.schema import TemperatureSettings


def dino_loss(student: torch.Tensor, teacher: torch.Tensor, student_temperature: float) -> torch.Tensor:
    """Cross-entropy between teacher and student, averaged over all pairs of a long view and another view.

    Args:
        student: (V, B, K) head outputs of all views. The first G views are the long ones.
        teacher: (G, B, K) probabilities of the long views (see teacher_probabilities), without gradient.
        student_temperature: T_s.

    Returns:
        Scalar in nats; ln K if the student's outputs are uniform.
    """
    views, longs = len(student), len(teacher)
    log_p = F.log_softmax(student.float() / student_temperature, dim=-1)
    # The sum over v != g of log P(v) is the sum over all v minus log P(g): G products instead of G (V - 1).
    others = log_p.sum(0) - log_p[:longs]
    return -(teacher * others).sum(-1).mean() / (views - 1)


@torch.no_grad()
def teacher_probabilities(teacher: torch.Tensor, centre: torch.Tensor, temperature: float) -> torch.Tensor:
    """Centred and sharpened outputs of the teacher, softmax((h - c) / T_t).

    Args:
        teacher: (G, B, K) head outputs h.
        centre: (K,) c.
        temperature: T_t.

    Returns:
        (G, B, K) probabilities.
    """
    return torch.softmax((teacher.float() - centre) / temperature, dim=-1)


def cosine_consistency(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean of 1 - cos(e_t(g), e_s(v)) over the pairs of views of dino_loss.

    Args:
        student: (V, B, D) embeddings e_s of all views.
        teacher: (G, B, D) embeddings e_t of the long views.
    """
    views, longs = len(student), len(teacher)
    s = F.normalize(student.float(), dim=-1)
    t = F.normalize(teacher.float(), dim=-1)
    return 1 - (t * (s.sum(0) - s[:longs])).sum(-1).mean() / (views - 1)


def teacher_temperature(settings: TemperatureSettings, epoch: float, epochs: int) -> float:
    """T_t at a time in epochs: linear from `start` to `end` over the share `warmup` of the epochs, then constant."""
    share = min(1.0, epoch / max(settings.warmup * epochs, 1e-9))
    return settings.start + (settings.end - settings.start) * share


def teacher_momentum(start: float, progress: float) -> float:
    """m: a half cosine from `start` to 1 over the run. progress is the share of the run, in [0, 1]."""
    return 1 - (1 - start) * (1 + math.cos(math.pi * progress)) / 2


@torch.no_grad()
def ema_update(teacher: Sequence[torch.Tensor], student: Sequence[torch.Tensor], momentum: float) -> None:
    """Update the teacher's parameters: theta_t <- m theta_t + (1 - m) theta_s."""
    torch._foreach_lerp_(tuple(teacher), tuple(student), 1 - momentum)
