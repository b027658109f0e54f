"""The loss of DLG-LC: the gate keeps labels, the model corrects others (arXiv 2208.01928, equations 5 to 8)."""

import math
from typing import NamedTuple

import torch

from .classifier import aam_losses
from .gate import log_loss

DROPPED, KEPT, CORRECTED = 0, 1, 2


class GatedLoss(NamedTuple):
    """The result of dlglc_loss.

    Attributes:
        total: scalar, the sum of the losses of kept and corrected labels, divided by B. It has the gradient.
        decision: (B,) int32, DROPPED, KEPT or CORRECTED.
        target: (B,) int64, the label if it is kept, else the predicted class.
        losses: (B,) loss of each label as the gate sees it, without gradient. The gate of the next epoch is fitted to
            them.
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
    gate_margin: bool = True,
) -> GatedLoss:
    """AAM-softmax for the labels that the gate keeps, cross-entropy with a sharpened prediction for corrected labels.

    A label is kept if ln(loss) <= threshold.

    Another label is corrected if the sharpened prediction of the clean view, p̂ = softmax(s cos θ / c), is confident:
    max p̂ > confidence. Its loss is the cross-entropy -Σ p̂ ln softmax(s cos θ), where θ is of the augmented view. This
    loss has no margin.

    All other labels are dropped.

    Args:
        cosines: (B, K) of the augmented view with the class weights.
        labels: (B,) int64 pseudo labels.
        clean: (B, K) cosines of the clean view, without gradient; None = no correction.
        threshold: of the gate, on ln(loss); inf = every label is kept.
        scale: s of AAM-softmax.
        margin: m of AAM-softmax, radians.
        temperature: c.
        confidence: tau2, in [0, 1).
        hard: p̂ is 1 for the most probable class and 0 for all others.
        gate_margin: the gate sees the losses with the margin. False = without.
    """
    losses = aam_losses(cosines, labels, scale, margin)
    seen = losses.detach() if gate_margin else aam_losses(cosines.detach(), labels, scale, 0.0)
    kept = (log_loss(seen) <= threshold).to(losses.dtype)
    corrected = torch.zeros_like(kept)
    total, target = (kept * losses).sum(), labels
    if clean is not None and math.isfinite(threshold):
        prediction, maximum, best = correction_targets(clean, scale, temperature, hard)
        corrected = (1 - kept) * (maximum > confidence)
        log_p = (scale * cosines).log_softmax(dim=-1)
        total = total - (corrected * (prediction * log_p).sum(-1)).sum()
        target = torch.where(kept > 0, labels, best)
    decision = (KEPT * kept + CORRECTED * corrected).int()
    return GatedLoss(total / len(labels), decision, target, seen)


def relabelled_loss(
    cosines: torch.Tensor,
    labels: torch.Tensor,
    best: torch.Tensor,
    sure: torch.Tensor,
    threshold: float,
    *,
    scale: float,
    margin: float,
    weight: float,
) -> GatedLoss:
    """AAM-softmax with labels that are replaced by predictions of whole utterances (correction.mode: utterance).

    A label is kept if ln(loss) <= threshold, or if the prediction agrees with it. Another label is corrected if the
    prediction is sure: then the loss is AAM-softmax with the predicted class, margin included. All other labels are
    dropped. The sum is divided by the weight of the labels that are trained on, so that a gate does not shorten the
    step.

    Args:
        cosines: (B, K) of the augmented view with the class weights.
        labels: (B,) int64 pseudo labels.
        best: (B,) int64 predicted classes.
        sure: (B,) bool, whether the prediction may replace a label.
        threshold: of the gate, on ln(loss); inf = every label is kept.
        scale: s of AAM-softmax.
        margin: m of AAM-softmax, radians.
        weight: of a corrected label, 0 to 1. A kept label has 1.
    """
    losses = aam_losses(cosines, labels, scale, margin)
    kept = (log_loss(losses.detach()) <= threshold) | (best == labels)
    corrected = ~kept & sure
    target = torch.where(kept, labels, best)
    weights = kept.to(losses.dtype) + weight * corrected.to(losses.dtype)
    total = (weights * aam_losses(cosines, target, scale, margin)).sum() / weights.sum().clamp(min=1.0)
    decision = (KEPT * kept + CORRECTED * corrected).int()
    return GatedLoss(total, decision, target, losses.detach())


@torch.no_grad()
def correction_targets(
    cosines: torch.Tensor, scale: float, temperature: float, hard: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The sharpened prediction p̂ = softmax(s cos θ / c) of the clean view, without a margin (section 2.3).

    Args:
        cosines: (B, K) of the clean view.
        scale: s. Without s, the maximum of p̂ would nearly never exceed the confidence.
        temperature: c.
        hard: return 1 for the most probable class and 0 for all others.

    Returns:
        (B, K) targets, (B,) maxima of p̂ and (B,) their classes.
    """
    probabilities = (scale / temperature * cosines).softmax(dim=-1)
    confidence, best = probabilities.max(dim=-1)
    if hard:
        probabilities = probabilities.zero_().scatter_(1, best.unsqueeze(1), 1.0)
    return probabilities, confidence, best
