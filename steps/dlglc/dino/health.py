"""The signs that tell a DINO run that learns from one that collapses."""

import math
from typing import Any

import torch
from torch.nn import functional as F


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


def collapse(figures: dict[str, Any], outputs: int, utterances: int) -> str | None:
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
