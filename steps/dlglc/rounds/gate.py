"""The gate decides from the losses which pseudo labels are trusted (arXiv 2208.01928, section 2.2).

Each gate is a function of this module and an entry in GATES. CONTRIBUTING.md says how to add one.
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

SMALLEST_LOSS = 1e-8  # a float32 loss can be exactly 0


@dataclass
class GateDecision:
    """The gate of one epoch.

    Attributes:
        threshold: on ln(loss). A label with ln(loss) <= threshold is trusted. inf = every label is trusted.
        how: the origin of the threshold:
            off: there is no gate in this epoch.
            fixed: from the settings.
            crossing: the densities of the mixture's components are equal there, between their means.
            previous: the last threshold of a crossing.
            posterior: above the upper mean, the upper component becomes the more probable one there.
            none: the mixture gives no threshold, and every label is trusted.
            opened: the threshold would keep too few labels, and every label is trusted.
        mixture: weights, means, variances of the fitted mixture on ln(loss), or None.
    """

    threshold: float
    how: str
    mixture: dict[str, list[float]] | None = None


class Evidence(NamedTuple):
    """The input of a gate.

    Attributes:
        log_losses: (N,) ln(loss) of the utterances in the epoch before; None in the first epoch.
        previous: the last threshold of a crossing, or None.
        round_number: from 1.
    """

    log_losses: Array | None
    previous: float | None
    round_number: int


def log_loss(losses: torch.Tensor) -> torch.Tensor:
    """ln max(loss, 1e-8), the value that every gate uses."""
    return losses.clamp(min=SMALLEST_LOSS).log()


def log_losses(losses: Array) -> Array:
    """log_loss for numpy arrays."""
    logarithms: Array = np.log(np.maximum(losses, SMALLEST_LOSS))
    return logarithms


def no_gate(settings: GateSettings, evidence: Evidence) -> GateDecision:
    """Every label is trusted."""
    return GateDecision(math.inf, "off")


def fixed_gate(settings: GateSettings, evidence: Evidence) -> GateDecision:
    """Loss-Gated Learning (Tao et al., ICASSP 2022): each round has a fixed threshold on the loss."""
    thresholds = settings.fixed_thresholds
    return GateDecision(math.log(thresholds[min(evidence.round_number, len(thresholds)) - 1]), "fixed")


def dynamic_gate(settings: GateSettings, evidence: Evidence) -> GateDecision:
    """The dynamic loss gate: a mixture of two components is fitted to the log-losses.

    The threshold lies between the two means, where the weighted densities are equal. Some mixtures have no such point.
    Then the threshold of an earlier epoch is used. If there is none, it is the point above the upper mean at which the
    upper component becomes the more probable one. If there is no such point either, every label is trusted.
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
    """Set the threshold of an epoch from the losses of the epoch before.

    Args:
        settings: the section `gate` of conf/dlglc.yaml.
        losses: (N,) losses of the epoch before, NaN for utterances that were not seen; None in the first epoch.
        previous: the last threshold of a crossing, or None.
        round_number: from 1. A fixed gate uses the threshold of this round, or the last one of its list.

    Raises:
        RecipeError: the threshold keeps less than min_kept of the labels, and on_failure is stop.
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
            "labels: start the gate later (gate.from_epoch), when the losses are lower, or use other clusters"
        )
    return GateDecision(math.inf, "opened", decision.mixture)
