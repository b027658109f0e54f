"""The dynamic loss gate: which pseudo labels to trust, told from the losses alone (arXiv 2208.01928 §2.2)."""

import math
from dataclasses import dataclass

import numpy as np

from .cli import RecipeError
from .gmm import crossing, fit_gmm


@dataclass
class GateDecision:
    """One epoch's gate.

    Attributes:
        threshold: on ln(loss); a label with a smaller log-loss is trusted. inf = every label is.
        how: what the threshold is: off, fixed, crossing, previous, posterior, none, opened (it kept too little).
        mixture: weights, means, variances of the fitted mixture on ln(loss), or None.
    """

    threshold: float
    how: str
    mixture: dict | None = None


def log_losses(losses: np.ndarray) -> np.ndarray:
    """x_i = ln max(l_i, 1e-8): the statistic that the mixture is fitted to."""
    return np.log(np.maximum(losses, 1e-8))


def decide_gate(config: dict, losses: np.ndarray | None, previous: float | None, round_number: int) -> GateDecision:
    """Set an epoch's threshold from the losses of the epoch before.

    dynamic: the point between the two means where the weighted densities of a 2-component mixture are equal. Arbitrary
    mixtures have no such point now and then; the previous threshold stands in, else the point beyond the upper mean
    where the posterior rises through 0.5, else the gate stays open this epoch. fixed: Loss-Gated Learning's threshold
    on the raw loss, one per round (Tao et al., ICASSP 2022). none: every label is trusted.

    Args:
        config: the `gate` section of conf/dlglc.yaml.
        losses: (N,) losses of the previous epoch, NaN where an utterance was not seen; None before any.
        previous: the last threshold that a mixture gave, or None.
        round_number: from 1; a fixed gate takes its threshold of this round (the last one beyond the list).

    Raises:
        RecipeError: unknown mode; a threshold that keeps less than min_kept of the labels where on_failure is stop.
    """
    if config["mode"] not in ("dynamic", "fixed", "none"):
        raise RecipeError(f"gate.mode '{config['mode']}': choose dynamic, fixed or none")
    if config["on_failure"] not in ("open", "stop"):
        raise RecipeError(f"gate.on_failure '{config['on_failure']}': choose open or stop")
    if config["mode"] == "none":
        return GateDecision(math.inf, "off")
    statistic = None if losses is None else log_losses(losses[np.isfinite(losses)])
    if config["mode"] == "fixed":
        thresholds = config["fixed_thresholds"]
        decision = GateDecision(math.log(thresholds[min(round_number, len(thresholds)) - 1]), "fixed")
    elif statistic is None:
        return GateDecision(math.inf, "none")
    else:
        decision = _fitted(statistic, previous)
    if statistic is None:
        return decision
    kept = float(np.mean(statistic <= decision.threshold))
    if kept >= config["min_kept"]:
        return decision
    if config["on_failure"] == "stop":
        raise RecipeError(
            f"gate: a threshold of {math.exp(decision.threshold):.3g} on the loss keeps {100 * kept:.2f} % of the "
            "labels: let it begin later (gate.from_epoch), once the losses have fallen, or take other clusters"
        )
    return GateDecision(math.inf, "opened", decision.mixture)


def _fitted(statistic: np.ndarray, previous: float | None) -> GateDecision:
    """The dynamic threshold, from the log-losses of the epoch before."""
    fit = fit_gmm(statistic)
    mixture = {name: [float(v) for v in getattr(fit, name)] for name in ("weights", "means", "variances")}
    threshold, between_means = crossing(fit)
    if between_means:
        return GateDecision(threshold, "crossing", mixture)
    if previous is not None:
        return GateDecision(previous, "previous", mixture)
    if threshold is not None:
        return GateDecision(threshold, "posterior", mixture)
    return GateDecision(math.inf, "none", mixture)


def correction_targets(cosines, scale: float, temperature: float, hard: bool):
    """Sharpened prediction of the clean view: p̂ = softmax(s cos θ / c), no margin; one-hot when hard (§2.3).

    Args:
        cosines: (B, K) tensor, no gradient.
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
