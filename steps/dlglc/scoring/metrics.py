"""Error rates of verification trials, exact for tied scores. One sort of the scores is enough for all of them."""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.optimize import isotonic_regression

from ..arrays import Array
from ..errors import RecipeError

Rate = TypeVar("Rate", float, Array)


@dataclass
class Roc:
    """The ROC of T trials as its K corners. The first corner accepts all trials, the last rejects all.

    A trial is accepted if its score is at or above the threshold. Tied trials are accepted or rejected together, which
    makes a sloped edge. The edge between two corners is straight, for all weights of trials.

    Attributes:
        order: (T,) trials in the order of their scores.
        scores: (T,) in this order.
        target: (T,) bool, whether each trial is a target trial, in this order.
        below: (K,) number of trials below the threshold of each corner, from 0 to T.
    """

    order: Array
    scores: Array
    target: Array
    below: Array

    @property
    def thresholds(self) -> Array:
        """(K,) the lowest score that each corner accepts; infinity if it accepts none."""
        return np.append(self.scores, np.inf)[self.below]

    def counts(self) -> tuple[Array, Array]:
        """(K,) target trials and (K,) nontarget trials that each corner rejects."""
        missed = np.append(0, np.cumsum(self.target))[self.below]
        return missed, self.below - missed


def roc(scores: Array, target: Array) -> Roc:
    """The ROC of a list of trials.

    Args:
        scores: (T,).
        target: (T,) bool, whether each trial is a target trial.

    Raises:
        RecipeError: one kind of trial is missing, or a score is NaN.
    """
    scores, target = np.asarray(scores), np.asarray(target, dtype=bool)
    scores = scores.astype(np.result_type(scores, np.float32), copy=False)
    if target.all() or not target.any():
        kind = "nontarget" if target.all() else "target"
        raise RecipeError(f"{len(target)} trials without a single {kind} one: error rates need both kinds")
    if np.isnan(scores.min()):
        raise RecipeError(f"trial {int(np.isnan(scores).argmax()) + 1} has the score NaN: extract and score again")
    order = rising(scores)
    scores, target = scores[order], target[order]
    # A corner is between two different scores: where the kind of trial changes, or where a tie begins or ends.
    new = scores[1:] != scores[:-1]
    tied = np.concatenate([[False], ~new, [False]])
    corner = new & ((target[1:] != target[:-1]) | tied[:-2] | tied[2:])
    return Roc(order, scores, target, np.concatenate([[0], np.flatnonzero(corner) + 1, [len(scores)]]))


def rising(scores: Array) -> Array:
    """The order of some floats, ties in the order in which they stand, as np.argsort(scores, kind="stable") gives it.

    This takes a fifth of its time. The bits of a positive float, read as a whole number, rise with it, those of a
    negative one fall. numpy sorts numbers of 16 bits by counting, and lexsort sorts by one such part after the other.

    Args:
        scores: (T,) without NaN.
    """
    bits = (scores + 0.0).view(f"i{scores.itemsize}")  # + 0.0: -0.0 is no lower than 0.0
    flipped = bits >> 8 * scores.itemsize - 1 | np.iinfo(bits.dtype).min  # all bits of a negative number, else its sign
    whole = (bits ^ flipped).astype(f"<i{scores.itemsize}", copy=False)
    order: Array = np.lexsort(whole.view("<u2").reshape(len(bits), -1).T)
    return order


def rates(missed: Array, rejected: Array) -> tuple[Array, Array]:
    """P_miss and P_fa at corners, from the target and nontarget trials (or weights) that each corner rejects.

    The last corner must reject all of them.
    """
    return missed / missed[-1], 1 - rejected / rejected[-1]


def equal_error_rate(p_miss: Array, p_fa: Array) -> float:
    """The rate at which P_miss = P_fa, in [0, 1]. The edge between two corners is a straight line."""
    above = int(np.argmax(p_miss >= p_fa))
    before = above - 1
    gap_before, gap_above = p_fa[before] - p_miss[before], p_miss[above] - p_fa[above]
    share = gap_before / (gap_before + gap_above)
    return float(p_miss[before] + share * (p_miss[above] - p_miss[before]))


def min_dcf(p_miss: Array, p_fa: Array, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """The lowest detection cost over all thresholds (NIST SRE).

    It is normalised by the better of accepting all trials and rejecting all trials.

    C = c_miss p_target P_miss + c_fa (1 - p_target) P_fa.
    """
    return float(_cost(p_miss, p_fa, p_target, c_miss, c_fa).min())


def actual_dcf(curve: Roc, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Detection cost at the Bayes threshold ln(c_fa (1 - p_target) / (c_miss p_target)), normalised like min_dcf.

    The scores must be log-likelihood ratios (natural logarithm). For other scores the result has no meaning.
    """
    threshold = math.log(c_fa * (1 - p_target) / (c_miss * p_target))
    below = int(np.searchsorted(curve.scores, threshold))
    missed, targets = np.count_nonzero(curve.target[:below]), np.count_nonzero(curve.target)
    p_fa = 1 - (below - missed) / (len(curve.target) - targets)
    return float(_cost(missed / targets, p_fa, p_target, c_miss, c_fa))


def _cost(p_miss: Rate, p_fa: Rate, p_target: float, c_miss: float, c_fa: float) -> Rate:
    cost: Rate = c_miss * p_target * p_miss + c_fa * (1 - p_target) * p_fa
    return cost / min(c_miss * p_target, c_fa * (1 - p_target))


def convex_hull(missed: Array, rejected: Array) -> Array:
    """The corners of the ROC that are also corners of its convex hull.

    The pool-adjacent-violators algorithm finds them. A threshold between two of these corners is never better than a
    mixture of both (Brümmer, The BOSARIS Toolkit User Guide, 2011).

    Args:
        missed, rejected: (K,) from Roc.counts.

    Returns:
        Their numbers, in order.
    """
    targets, trials = np.diff(missed), np.diff(missed + rejected)
    return isotonic_regression(targets / trials, weights=trials).blocks


def cllr(scores: Array, target: Array) -> float:
    """Cost of log-likelihood ratios in bits (Brümmer and du Preez, 2006). 0 is perfect, ratios of 0 have cost 1."""
    miss, false_alarm = np.logaddexp(0, -scores[target]).mean(), np.logaddexp(0, scores[~target]).mean()
    return float((miss + false_alarm) / (2 * math.log(2)))


def min_cllr(missed: Array, rejected: Array) -> float:
    """Cllr after the best monotonic calibration, from the counts at the hull's corners: the loss by discrimination."""
    targets, nontargets = np.diff(missed), np.diff(rejected)
    with np.errstate(divide="ignore"):
        ratio = np.log(targets) - np.log(nontargets) - math.log(targets.sum() / nontargets.sum())
    miss = np.logaddexp(0, -ratio[targets > 0]) @ targets[targets > 0] / targets.sum()
    false_alarm = np.logaddexp(0, ratio[nontargets > 0]) @ nontargets[nontargets > 0] / nontargets.sum()
    return float((miss + false_alarm) / (2 * math.log(2)))


def det_points(curve: Roc) -> Array:
    """(H, 3) P_miss, P_fa and threshold at the corners of the ROC's convex hull, in the order of thresholds."""
    missed, rejected = curve.counts()
    hull = convex_hull(missed, rejected)
    return np.stack([*rates(missed[hull], rejected[hull]), curve.thresholds[hull]], axis=1)


def summary(
    curve: Roc, p_targets: tuple[float, ...] = (0.01, 0.05), c_miss: float = 1.0, c_fa: float = 1.0, llr: bool = False
) -> dict[str, float]:
    """The error rates of a list of trials.

    Args:
        curve: the ROC.
        p_targets, c_miss, c_fa: operating points of minDCF.
        llr: the scores are log-likelihood ratios.

    Returns:
        eer (percent, on the ROC), eer_hull (on its convex hull), mindcf_<p_target>, num_target and num_nontarget. With
        llr also actdcf_<p_target>, cllr and mincllr.

    Raises:
        RecipeError: an operating point is not valid.
    """
    if not all(0 < p < 1 for p in p_targets) or min(c_miss, c_fa) <= 0:
        raise RecipeError(
            f"p_target {p_targets}, costs {c_miss} and {c_fa}: p_target must be between 0 and 1, costs above 0"
        )
    missed, rejected = curve.counts()
    hull = convex_hull(missed, rejected)
    p_miss, p_fa = rates(missed, rejected)
    found = {
        "eer": round(100 * equal_error_rate(p_miss, p_fa), 4),
        "eer_hull": round(100 * equal_error_rate(p_miss[hull], p_fa[hull]), 4),
    }
    found |= {f"mindcf_{p:g}": round(min_dcf(p_miss[hull], p_fa[hull], p, c_miss, c_fa), 5) for p in p_targets}
    if llr:
        found |= {f"actdcf_{p:g}": round(actual_dcf(curve, p, c_miss, c_fa), 5) for p in p_targets}
        found |= {
            "cllr": round(cllr(curve.scores, curve.target), 5),
            "mincllr": round(min_cllr(missed[hull], rejected[hull]), 5),
        }
    return found | {"num_target": int(missed[-1]), "num_nontarget": int(rejected[-1])}
