"""The gate: which pseudo labels to trust, told from the losses alone (arXiv 2208.01928, section 2.2).

A gate is a function here and a name in GATES. docs and CONTRIBUTING.md show how to add one.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import torch

from ..arrays import Array
from ..errors import RecipeError
from ..settings.schema import GateSettings
from .mixture import crossing, fit_mixture

SMALLEST_LOSS = 1e-8  # a float32 loss may be exactly 0


@dataclass
class GateDecision:
    """One epoch's gate.

    Attributes:
        threshold: on ln(loss); a label with a log-loss at or below it is trusted. inf = every label is.
        how: what the threshold is: off, fixed, crossing, previous, posterior, none, opened (it kept too little).
        mixture: weights, means, variances of the fitted mixture on ln(loss), or None.
    """

    threshold: float
    how: str
    mixture: dict[str, list[float]] | None = None


class Evidence(NamedTuple):
    """What a gate may look at.

    Attributes:
        log_losses: (N,) of the epoch before, of utterances that were seen; None before any.
        previous: the last threshold that a mixture gave, or None.
        round_number: from 1.
    """

    log_losses: Array | None
    previous: float | None
    round_number: int


def log_loss(losses: torch.Tensor) -> torch.Tensor:
    """x_i = ln max(l_i, 1e-8): what every gate looks at."""
    return losses.clamp(min=SMALLEST_LOSS).log()


def log_losses(losses: Array) -> Array:
    """log_loss of an array."""
    logarithms: Array = np.log(np.maximum(losses, SMALLEST_LOSS))
    return logarithms


def no_gate(settings: GateSettings, evidence: Evidence) -> GateDecision:
    """Every label is trusted."""
    return GateDecision(math.inf, "off")


def fixed_gate(settings: GateSettings, evidence: Evidence) -> GateDecision:
    """Loss-Gated Learning (Tao et al., ICASSP 2022): a threshold on the raw loss, one per round."""
    thresholds = settings.fixed_thresholds
    return GateDecision(math.log(thresholds[min(evidence.round_number, len(thresholds)) - 1]), "fixed")


def dynamic_gate(settings: GateSettings, evidence: Evidence) -> GateDecision:
    """The dynamic loss gate: where the two components of a mixture fitted to the log-losses cross.

    The threshold lies between the two means, where the weighted densities are equal. Some mixtures have no such point.
    Then the threshold of an earlier epoch stands in, else the point above the upper mean where the upper component
    becomes the likelier one, else the gate stays open for this epoch.
    """
    if evidence.log_losses is None:
        return GateDecision(math.inf, "none")
    fit = fit_mixture(evidence.log_losses)
    mixture = {name: np.asarray(asdict(fit)[name]).tolist() for name in ("weights", "means", "variances")}
    threshold, between_means = crossing(fit)
    if threshold is not None and between_means:
        return GateDecision(threshold, "crossing", mixture)
    if evidence.previous is not None:
        return GateDecision(evidence.previous, "previous", mixture)
    if threshold is not None:
        return GateDecision(threshold, "posterior", mixture)
    return GateDecision(math.inf, "none", mixture)


GATES: dict[str, Callable[[GateSettings, Evidence], GateDecision]] = {
    "dynamic": dynamic_gate,
    "fixed": fixed_gate,
    "none": no_gate,
}


def decide_gate(
    settings: GateSettings, losses: Array | None, previous: float | None, round_number: int
) -> GateDecision:
    """Set an epoch's threshold from the losses of the epoch before.

    Args:
        settings: the section `gate` of conf/dlglc.yaml.
        losses: (N,) losses of the previous epoch, NaN where an utterance was not seen; None before any.
        previous: the last threshold that a mixture gave, or None.
        round_number: from 1; a fixed gate takes its threshold of this round (the last one beyond the list).

    Raises:
        RecipeError: a threshold that keeps less than min_kept of the labels where on_failure is stop.
    """
    seen = None if losses is None else log_losses(losses[np.isfinite(losses)])
    decision = GATES[settings.mode](settings, Evidence(seen, previous, round_number))
    if seen is None or decision.how == "off":
        return decision
    kept = float(np.mean(seen <= decision.threshold))
    if kept >= settings.min_kept:
        return decision
    if settings.on_failure == "stop":
        raise RecipeError(
            f"gate: a threshold of {math.exp(decision.threshold):.3g} on the loss keeps {100 * kept:.2f} % of the "
            "labels: let it begin later (gate.from_epoch), once the losses have fallen, or take other clusters"
        )
    return GateDecision(math.inf, "opened", decision.mixture)
