"""Figures that tell a DINO run that learns from one that collapses."""

import torch
from torch.nn import functional as F


@torch.no_grad()
def health(teacher: torch.Tensor, embeddings: torch.Tensor) -> dict[str, torch.Tensor]:
    """The health figures of a batch.

    Args:
        teacher: (G, B, K) probabilities of G long views.
        embeddings: (G, B, D) of the teacher.

    Returns:
        teacher_entropy: mean entropy of single outputs, nats. It is ln K if all outputs are uniform (a collapse).
        batch_entropy: entropy of the batch's mean output, nats. It is 0 if all outputs are on one prototype (a
            collapse).
        embedding_std: standard deviation of unit-length embeddings times sqrt(D). It is near 1 in a healthy run, and 0
            if all embeddings are the same (a collapse).
    """
    mean = teacher.mean((0, 1))
    unit = F.normalize(embeddings.float().flatten(0, 1), dim=-1)
    return {
        "teacher_entropy": -torch.xlogy(teacher, teacher).sum(-1).mean(),
        "batch_entropy": -torch.xlogy(mean, mean).sum(),
        "embedding_std": unit.std(0).mean() * unit.shape[1] ** 0.5,
    }
