"""DINO's loss and schedules as pure functions of tensors and numbers (Caron et al., ICCV 2021)."""

import math

import torch
from torch.nn import functional as F


def dino_loss(student: torch.Tensor, teacher: torch.Tensor, student_temperature: float) -> torch.Tensor:
    """Cross-entropy of teacher and student, averaged over every pair of different views with the teacher on a long one.

    Args:
        student: (V, B, K) head outputs of all views; the first G are the long ones.
        teacher: (G, B, K) probabilities of the long views (see teacher_probabilities), no gradient.
        student_temperature: T_s.

    Returns:
        Scalar, in nats; ln K when the student is uniform.
    """
    views, longs = len(student), len(teacher)
    log_p = F.log_softmax(student.float() / student_temperature, dim=-1)
    # sum over v != g of log P(v) is the sum over all v less the own view: G products instead of G (V - 1).
    others = log_p.sum(0) - log_p[:longs]
    return -(teacher * others).sum(-1).mean() / (views - 1)


@torch.no_grad()
def teacher_probabilities(teacher: torch.Tensor, centre: torch.Tensor, temperature: float) -> torch.Tensor:
    """Centred and sharpened: softmax((h - c) / T_t) of (G, B, K) head outputs and the (K,) centre."""
    return torch.softmax((teacher.float() - centre) / temperature, dim=-1)


def cosine_consistency(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean of 1 - cos(e_t(g), e_s(v)) over the same pairs of views, of (V, B, D) and (G, B, D) embeddings."""
    views, longs = len(student), len(teacher)
    s = F.normalize(student.float(), dim=-1)
    t = F.normalize(teacher.float(), dim=-1)
    return 1 - (t * (s.sum(0) - s[:longs])).sum(-1).mean() / (views - 1)


def teacher_temperature(config: dict, epoch: float, epochs: int) -> float:
    """T_t: linear from `start` to `end` over the first `warmup` share of the epochs, then constant."""
    share = min(1.0, epoch / max(config["warmup"] * epochs, 1e-9))
    return config["start"] + (config["end"] - config["start"]) * share


def teacher_momentum(start: float, progress: float) -> float:
    """m: a half cosine from `start` to 1 over the run; progress in [0, 1]."""
    return 1 - (1 - start) * (1 + math.cos(math.pi * progress)) / 2


@torch.no_grad()
def ema_update(teacher: list[torch.Tensor], student: list[torch.Tensor], momentum: float) -> None:
    """theta_t <- m theta_t + (1 - m) theta_s, parameters only, in one fused pass."""
    torch._foreach_lerp_(teacher, student, 1 - momentum)


@torch.no_grad()
def health(teacher: torch.Tensor, embeddings: torch.Tensor) -> dict[str, torch.Tensor]:
    """The signs that tell a learning run from a collapsed one.

    Args:
        teacher: (G, B, K) probabilities.
        embeddings: (G, B, D) of the teacher.

    Returns:
        teacher_entropy: mean entropy of single outputs, nats; ln K = uniform collapse.
        batch_entropy: entropy of the batch's mean output, nats; 0 = all fall on one prototype.
        embedding_std: standard deviation of unit-length embeddings times sqrt(D); near 1 healthy, 0 collapsed.
    """
    mean = teacher.mean((0, 1))
    unit = F.normalize(embeddings.float().flatten(0, 1), dim=-1)
    return {
        "teacher_entropy": -torch.xlogy(teacher, teacher).sum(-1).mean(),
        "batch_entropy": -torch.xlogy(mean, mean).sum(),
        "embedding_std": unit.std(0).mean() * unit.shape[1] ** 0.5,
    }


def collapse(figures: dict, outputs: int, utterances: int) -> str | None:
    """What an epoch's health figures say is wrong, and the remedy; None when they are fine.

    Args:
        figures: teacher_entropy, batch_entropy and embedding_std, see health().
        outputs: number of prototypes K.
        utterances: that the batch's mean is taken over. Each on a prototype of its own gives an entropy of its
            logarithm: runs that learned had 94 % of it or more, one with a centre that stood still 41 %.
    """
    full, spread = math.log(outputs), math.log(min(outputs, utterances))
    if figures["teacher_entropy"] > 0.98 * full:
        return (
            f"every output is uniform (teacher_entropy {figures['teacher_entropy']:.2f} of ln K = {full:.2f}): lower "
            "teacher_temperature, or the learning rate"
        )
    if figures["batch_entropy"] < 0.5 * spread:
        return (
            f"utterances fall on few prototypes (batch_entropy {figures['batch_entropy']:.2f}, a batch of {utterances} "
            f"can have {spread:.2f}): lower centre_momentum so that the centre follows, or raise teacher_temperature"
        )
    if figures["embedding_std"] < 0.1:
        return (
            f"all embeddings are alike (embedding_std {figures['embedding_std']:.3f}, healthy is near 1): lower the "
            "learning rate, or begin anew with another seed"
        )
    return None
