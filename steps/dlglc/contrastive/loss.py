"""The contrastive loss and its signs of health, as pure functions."""

import torch
from torch.nn import functional as F


def contrastive_loss(embeddings: torch.Tensor, temperature: float) -> torch.Tensor:
    """NT-Xent, the loss of SimCLR (Chen et al., ICML 2020, equation 1), averaged over all 2B crops.

    For each crop, the loss is the cross-entropy of finding the other crop of its utterance among the 2B - 1 other crops
    of the batch, by their cosines divided by the temperature. Another utterance of the same speaker counts as a wrong
    answer.

    Args:
        embeddings: (2, B, D) of two crops of each of B utterances, of any length.
        temperature: above 0. Smaller = the closest wrong crops weigh more.

    Returns:
        Scalar in nats; ln(2B - 1) if all embeddings are the same.
    """
    logits = _cosines(embeddings) / temperature
    partner = torch.arange(len(logits), device=logits.device).roll(len(logits) // 2)
    return F.cross_entropy(logits, partner)


@torch.no_grad()
def contrastive_health(embeddings: torch.Tensor) -> dict[str, torch.Tensor]:
    """Figures of a batch that tell without labels how a contrastive training goes.

    Args:
        embeddings: (2, B, D) as for contrastive_loss.

    Returns:
        found: share of the crops whose closest crop is the other one of the same utterance.
        positive: mean cosine of the two crops of an utterance.
        negative: mean cosine of crops of different utterances. Near positive, all embeddings are alike (a collapse).
    """
    cosines = _cosines(embeddings)
    size = len(cosines) // 2
    partner = torch.arange(2 * size, device=cosines.device).roll(size)
    positive = cosines.gather(1, partner.unsqueeze(1))
    total = cosines.masked_fill(cosines.isinf(), 0.0).sum() - positive.sum()
    return {
        "found": (cosines.argmax(1) == partner).float().mean(),
        "positive": positive.mean(),
        "negative": total / (2 * size * (2 * size - 2)),
    }


def _cosines(embeddings: torch.Tensor) -> torch.Tensor:
    """(2B, 2B) cosines of all crops with all others, float32. The diagonal is -inf."""
    unit = F.normalize(embeddings.float().flatten(0, 1), dim=-1)
    return (unit @ unit.T).fill_diagonal_(float("-inf"))
