"""The loss of a round of DLG-LC: gated by a threshold, corrected by the model itself (arXiv 2208.01928, eq. 5 to 8)."""

import math
from typing import NamedTuple

import torch

from .classifier import aam_losses
from .gate import log_loss

DROPPED, KEPT, CORRECTED = 0, 1, 2


class GatedLoss(NamedTuple):
    """What dlglc_loss returns.

    Attributes:
        total: scalar, the sum over the batch of what trains, divided by B; carries the gradient.
        decision: (B,) int32, DROPPED, KEPT or CORRECTED.
        target: (B,) int64, the class that was trained for: the label where it is kept, else the prediction.
        losses: (B,) AAM-softmax loss of each label, no gradient: what the next epoch's gate is fitted to.
    """

    total: torch.Tensor
    decision: torch.Tensor
    target: torch.Tensor
    losses: torch.Tensor


def dlglc_loss(
    cosines: torch.Tensor,
    labels: torch.Tensor,
    clean: torch.Tensor | None,
    threshold: float,
    *,
    scale: float,
    margin: float,
    temperature: float = 0.1,
    confidence: float = 0.5,
    hard: bool = False,
) -> GatedLoss:
    """AAM-softmax on the labels that the gate keeps, cross-entropy with a sharpened prediction on those it refuses.

    A label is kept where ln(loss) <= threshold. Of the others, one is corrected where the sharpened prediction of the
    utterance's clean view is sure enough, p̂ = softmax(s cos θ / c) with max p̂ > confidence; its loss is then the
    cross-entropy -Σ p̂ ln softmax(s cos θ) of the augmented view, without a margin. The rest is dropped.

    Args:
        cosines: (B, K) of the augmented view with the class weights.
        labels: (B,) int64 pseudo labels.
        clean: (B, K) cosines of the clean view, no gradient; None = no correction.
        threshold: of the gate, on ln(loss); inf = every label is kept.
        scale: s of AAM-softmax.
        margin: m of AAM-softmax, radians.
        temperature: c.
        confidence: tau2, in [0, 1).
        hard: correct to the most probable class instead of to the prediction.
    """
    losses = aam_losses(cosines, labels, scale, margin)
    kept = (log_loss(losses.detach()) <= threshold).to(losses.dtype)
    corrected = torch.zeros_like(kept)
    total, target = (kept * losses).sum(), labels
    if clean is not None and math.isfinite(threshold):
        prediction, sureness, best = correction_targets(clean, scale, temperature, hard)
        corrected = (1 - kept) * (sureness > confidence)
        log_p = (scale * cosines).log_softmax(dim=-1)
        total = total - (corrected * (prediction * log_p).sum(-1)).sum()
        target = torch.where(kept > 0, labels, best)
    decision = (KEPT * kept + CORRECTED * corrected).int()
    return GatedLoss(total / len(labels), decision, target, losses.detach())


@torch.no_grad()
def correction_targets(
    cosines: torch.Tensor, scale: float, temperature: float, hard: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sharpened prediction of the clean view: p̂ = softmax(s cos θ / c), no margin; one-hot when hard (section 2.3).

    Args:
        cosines: (B, K).
        scale: s; on bare cosines the sharpened maximum would hardly ever pass the confidence.
        temperature: c.

    Returns:
        targets (B, K), their maxima (B,) and the classes (B,) where they lie.
    """
    probabilities = (scale / temperature * cosines).softmax(dim=-1)
    confidence, best = probabilities.max(dim=-1)
    if hard:
        probabilities = probabilities.zero_().scatter_(1, best.unsqueeze(1), 1.0)
    return probabilities, confidence, best
