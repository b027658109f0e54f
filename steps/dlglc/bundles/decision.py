"""From scores to verdicts: a threshold at a false-accept rate, and a probability where there were labels."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import RecipeError

ENOUGH = 10  # pairs above the threshold that a rate needs, to be known to about a third; fewer where there are few
STEPS = 200  # of the table


@dataclass(frozen=True)
class Decision:
    """The scores of pairs of different people, as a table of thresholds.

    Attributes:
        source: `labels`: these pairs are the trials that run.sh was given. `cohort`: they are pairs of
            neighbouring clusters of the training set, as nothing is labelled.
        rates: (R,) false-accept rates, rising.
        thresholds: (R,) the score that a share rates[i] of the pairs reaches, falling.
        misses: (R,) share of the pairs of one person below thresholds[i]; empty without labels.
        different, same: numbers of pairs.
        weight, offset: of the calibration, ln of the likelihood ratio = weight · score + offset; None without labels.
    """

    source: str
    rates: Array
    thresholds: Array
    misses: Array
    different: int
    same: int
    weight: float | None = None
    offset: float | None = None

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

    def describe(self, rate: float) -> str:
        """Where the threshold at a rate comes from, as a phrase."""
        accepted = f"{100 * rate:g} % of {self.different:,} pairs of different people reach it"
        miss = self.miss(rate)
        if miss is None:
            return f"{accepted}; these are of neighbouring clusters of the training set, nothing is labelled"
        return f"{accepted}, {100 * miss:.1f} % of {self.same:,} pairs of one person do not; from labelled trials"

    def arrays(self) -> dict[str, Array]:
        """For the arrays of a bundle."""
        return {"rates": self.rates, "thresholds": self.thresholds, "misses": self.misses}

    def record(self) -> dict[str, Any]:
        """For the card of a bundle."""
        names = ("source", "different", "same", "weight", "offset")
        return {name: getattr(self, name) for name in names}


def make_decision(
    source: str, different: Array, same: Array | None = None, calibration: tuple[float, float] | None = None
) -> Decision:
    """A table of thresholds.

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
    weight, offset = calibration or (None, None)
    pairs = len(falling), 0 if same is None else len(same)
    return Decision(source, counts / len(falling), thresholds, misses, *pairs, weight, offset)


def different_clusters(clusters: Array, most: int, seed: int) -> Array:
    """(U,) rows of the training set whose pairs serve as pairs of different people.

    The same number of utterances of every cluster, two or a few more where there are few clusters, so that no cluster
    has more weight than another.

    Args:
        clusters: (N,) cluster of each utterance.
        most: of the U, about.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(clusters))
    names = rng.permutation(np.unique(clusters))
    of_each = max(2, min(20, most // len(names)))
    rows = [order[clusters[order] == name][:of_each] for name in names[: max(2, most // of_each)]]
    return np.sort(np.concatenate(rows))
