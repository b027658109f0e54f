"""From scores to verdicts: a threshold at a false-accept rate, and a probability where there were labels."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import RecipeError

ENOUGH = 10  # pairs above the threshold that a rate needs, to be known to about a third; fewer where there are few
STEPS = 200  # of the table
FEWEST = 10  # pairs of each kind that a calibration needs
WORTHLESS = 0.98  # bits; a constant probability has a Cllr of 1. An EER of 43 % has about as much as this


@dataclass(frozen=True)
class Decision:
    """The scores of pairs of different people, as a table of thresholds.

    Attributes:
        source: `labels`: these pairs are the trials that run.sh was given. `cohort`: they are pairs of
            different clusters of the training set, as nothing is labelled.
        rates: (R,) false-accept rates, rising.
        thresholds: (R,) the score that a share rates[i] of the pairs reaches, falling.
        misses: (R,) share of the pairs of one person below thresholds[i]; empty without labels.
        different, same: numbers of pairs.
        weight, offset: of the calibration, ln of the likelihood ratio = weight · score + offset; None if there is none.
        why_none: why labelled trials gave no calibration; empty if they gave one, or if there are none.
    """

    source: str
    rates: Array
    thresholds: Array
    misses: Array
    different: int
    same: int
    weight: float | None = None
    offset: float | None = None
    why_none: str = ""

    def threshold(self, rate: float) -> float:
        """The score at and above which a share `rate` of the pairs of different people are.

        Raises:
            RecipeError: the rate is outside of the table.
        """
        low, high = float(self.rates[0]), float(self.rates[-1])
        if not low <= rate <= high:
            raise RecipeError(
                f"false-accept rate {rate:g}: this bundle knows thresholds for rates from {low:.2g} to {high:g} "
                f"({self.different} pairs of different people): choose one of these"
            )
        return float(np.interp(math.log(rate), np.log(self.rates), self.thresholds))

    def miss(self, rate: float) -> float | None:
        """The share of same-person pairs that are refused at a false-accept rate; None without labels."""
        if not len(self.misses):
            return None
        return float(np.interp(math.log(rate), np.log(self.rates), self.misses))

    def probability(self, score: float, prior: float) -> float | None:
        """The probability that both are of one person; None without a calibration.

        Args:
            prior: the probability before the recordings are heard.
        """
        if self.weight is None or self.offset is None:
            return None
        odds = self.weight * score + self.offset + math.log(prior / (1 - prior))
        return 1 / (1 + math.exp(-odds)) if odds > -700 else 0.0

    @property
    def no_calibration(self) -> str:
        """Why there is no calibration, as a phrase; empty if there is one."""
        return "" if self.weight is not None else self.why_none or "the bundle was made without labelled trials"

    def describe_calibration(self) -> str:
        """Whether there are probabilities, as a sentence."""
        if self.weight is not None:
            return f"ln of the likelihood ratio = {self.weight:.4g} · score + {self.offset:.4g}, from labelled trials."
        return f"There is no calibration: {self.no_calibration}."

    def describe(self, rate: float) -> str:
        """Where the threshold at a rate comes from, as a phrase."""
        accepted = f"{100 * rate:g} % of {self.different:,} pairs of different people reach it"
        miss = self.miss(rate)
        if miss is None:
            return f"{accepted}; these are of different clusters of the training set, nothing is labelled"
        return f"{accepted}, {100 * miss:.1f} % of {self.same:,} pairs of one person do not; from labelled trials"

    def arrays(self) -> dict[str, Array]:
        """For the arrays of a bundle."""
        return {"rates": self.rates, "thresholds": self.thresholds, "misses": self.misses}

    def record(self) -> dict[str, Any]:
        """For the card of a bundle."""
        names = ("source", "different", "same", "weight", "offset", "why_none")
        return {name: getattr(self, name) for name in names}


def make_decision(
    source: str, different: Array, same: Array | None = None, calibration: tuple[float, float] | None = None
) -> Decision:
    """A table of thresholds. A calibration that says nothing is left out (see calibration_fault).

    Args:
        source: labels or cohort.
        different: (N,) scores of pairs of different people, one or more.
        same: (M,) scores of pairs of one person, where they are known.
        calibration: weight and offset.
    """
    falling = np.sort(different)[::-1]
    fewest = min(ENOUGH, max(1, len(falling) // 100))
    counts = np.unique(np.geomspace(fewest, max(1, len(falling) / 2), STEPS).astype(int))
    thresholds = falling[counts - 1].astype(np.float64)
    misses = np.empty(0)
    if same is not None:
        misses = np.searchsorted(np.sort(same), thresholds) / len(same)
    fault = calibration_fault(different, same, calibration) if same is not None and calibration else ""
    weight, offset = calibration if calibration and not fault else (None, None)
    pairs = len(falling), 0 if same is None else len(same)
    return Decision(source, counts / len(falling), thresholds, misses, *pairs, weight, offset, fault)


def calibration_fault(different: Array, same: Array, calibration: tuple[float, float]) -> str:
    """Why probabilities by a calibration would mislead, as a phrase; empty if they would not.

    Args:
        different, same: scores that the calibration was learned on.
        calibration: weight and offset.
    """
    from ..scoring.metrics import cllr  # here: it needs scipy, and verdicts do not

    if len(same) < FEWEST or len(different) < FEWEST:
        return (
            f"{len(same)} labelled pairs of one person and {len(different)} of different people are too few, "
            f"{FEWEST} of each are needed"
        )
    weight, offset = calibration
    if weight <= 0:
        return "in the labelled trials, the probability of one person does not rise with the score"
    ratios = weight * np.concatenate([same, different]) + offset
    cost = cllr(ratios, np.arange(len(ratios)) < len(same))
    if cost > WORTHLESS:
        return f"in the labelled trials, probabilities are no better than a constant (Cllr {cost:.2f} of 1 bit)"
    return ""
