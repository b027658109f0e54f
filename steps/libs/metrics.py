"""Error measures of verification trials, exact in the face of ties, each in one pass over two sorted lists."""

import math

import numpy as np
from scipy.optimize import isotonic_regression

from .cli import RecipeError


def split_scores(scores: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted target and nontarget scores.

    Raises:
        RecipeError: a class is missing, or a score is NaN.
    """
    scores, target = np.asarray(scores), np.asarray(target, dtype=bool)
    if target.all() or not target.any():
        kind = "nontarget" if target.all() else "target"
        raise RecipeError(f"{len(target)} trials without a single {kind} one: error rates need both kinds")
    if np.isnan(scores).any():
        raise RecipeError(f"trial {int(np.isnan(scores).argmax()) + 1} has the score NaN: extract and score again")
    return np.sort(scores[target]), np.sort(scores[~target])


def error_rates(target: np.ndarray, nontarget: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the ROC as (P_miss, P_fa), from accepting all to rejecting all, thresholds rising.

    Args:
        target, nontarget: sorted scores. A trial is accepted when its score is at or above the threshold. Scores that
            tie are accepted or rejected together, which makes a slanted edge of the ROC.
    """
    # Corners just at and just above every target score; nontarget scores between them lie on a straight edge.
    first = np.flatnonzero(np.concatenate([[True], target[1:] != target[:-1]]))
    miss = np.stack([first, np.append(first[1:], len(target))], 1).ravel()
    accept_from = target[first]
    below = np.searchsorted(nontarget, accept_from)
    not_above = below.copy()
    tied = np.flatnonzero(nontarget[np.minimum(below, len(nontarget) - 1)] == accept_from)
    not_above[tied] = np.searchsorted(nontarget, accept_from[tied], "right")
    rejected = np.stack([below, not_above], 1).ravel()
    p_miss = np.concatenate([[0.0], miss / len(target), [1.0]])
    p_fa = np.concatenate([[1.0], 1 - rejected / len(nontarget), [0.0]])
    return p_miss, p_fa


def equal_error_rate(p_miss: np.ndarray, p_fa: np.ndarray) -> float:
    """The rate at which P_miss = P_fa, on the straight edge of the ROC where they cross (no convex hull), in [0, 1]."""
    above = int(np.argmax(p_miss >= p_fa))
    before = above - 1
    gap_before, gap_above = p_fa[before] - p_miss[before], p_miss[above] - p_fa[above]
    share = gap_before / (gap_before + gap_above)
    return float(p_miss[before] + share * (p_miss[above] - p_miss[before]))


def min_dcf(p_miss: np.ndarray, p_fa: np.ndarray, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Least detection cost over all thresholds, normalised by the better of accepting and rejecting all (NIST SRE).

    C = c_miss p_target P_miss + c_fa (1 - p_target) P_fa.
    """
    cost = c_miss * p_target * p_miss + c_fa * (1 - p_target) * p_fa
    return float(cost.min() / min(c_miss * p_target, c_fa * (1 - p_target)))


def convex_hull(target: np.ndarray, nontarget: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Trials in each of the score bands between which the ROC's convex hull has its corners, scores rising.

    The pool-adjacent-violators algorithm finds them: within a band no threshold is worth having, as some mixture of
    the thresholds at its two ends beats it (Brümmer, The BOSARIS Toolkit User Guide, 2011).

    Args:
        target, nontarget: sorted scores.

    Returns:
        numbers of targets and of nontargets per band.
    """
    scores = np.concatenate([target, nontarget])
    is_target = np.repeat([1.0, 0.0], [len(target), len(nontarget)])
    order = np.argsort(scores, kind="stable")
    scores, is_target = scores[order], is_target[order]
    first = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    trials = np.diff(first, append=len(scores)).astype(np.float64)
    targets = np.add.reduceat(is_target, first)
    bands = isotonic_regression(targets / trials, weights=trials).blocks[:-1]
    targets, trials = np.add.reduceat(targets, bands), np.add.reduceat(trials, bands)
    return targets, trials - targets


def hull_rates(targets: np.ndarray, nontargets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the convex hull as (P_miss, P_fa), like error_rates, from convex_hull's bands."""
    p_miss = np.concatenate([[0.0], np.cumsum(targets) / targets.sum()])
    return p_miss, np.concatenate([[1.0], 1 - np.cumsum(nontargets) / nontargets.sum()])


def actual_dcf(
    target: np.ndarray, nontarget: np.ndarray, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0
) -> float:
    """Detection cost at the Bayes threshold ln(c_fa (1 - p_target) / (c_miss p_target)), normalised as min_dcf is.

    Args:
        target, nontarget: sorted log-likelihood ratios, natural logarithm. Other scores give a meaningless number.
    """
    threshold = math.log(c_fa * (1 - p_target) / (c_miss * p_target))
    p_miss = np.searchsorted(target, threshold) / len(target)
    p_fa = 1 - np.searchsorted(nontarget, threshold) / len(nontarget)
    cost = c_miss * p_target * p_miss + c_fa * (1 - p_target) * p_fa
    return float(cost / min(c_miss * p_target, c_fa * (1 - p_target)))


def cllr(target: np.ndarray, nontarget: np.ndarray) -> float:
    """Cost of log-likelihood ratios in bits (Brümmer and du Preez, 2006): 0 is perfect, 1 tells nothing."""
    return float((np.logaddexp(0, -target).mean() + np.logaddexp(0, nontarget).mean()) / (2 * math.log(2)))


def min_cllr(targets: np.ndarray, nontargets: np.ndarray) -> float:
    """Cllr after the best rising calibration, from convex_hull's bands: what remains is discrimination."""
    with np.errstate(divide="ignore"):
        ratio = np.log(targets) - np.log(nontargets) - math.log(targets.sum() / nontargets.sum())
    miss = np.logaddexp(0, -ratio[targets > 0]) @ targets[targets > 0] / targets.sum()
    false_alarm = np.logaddexp(0, ratio[nontargets > 0]) @ nontargets[nontargets > 0] / nontargets.sum()
    return float((miss + false_alarm) / (2 * math.log(2)))


def summary(
    scores: np.ndarray,
    target: np.ndarray,
    p_targets: tuple[float, ...] = (0.01, 0.05),
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    llr: bool = False,
) -> dict:
    """EER in percent (of the plain ROC, and `eer_hull` of its convex hull) and minDCF, with the numbers of trials.

    Args:
        scores, target: (T,) scores, and whether each is of a target trial.
        p_targets, c_miss, c_fa: operating points; keys are mindcf_<p_target>.
        llr: the scores are log-likelihood ratios: also actdcf_<p_target>, cllr and mincllr.

    Raises:
        RecipeError: a class is missing, a score is NaN, an operating point makes no sense.
    """
    if not all(0 < p < 1 for p in p_targets) or min(c_miss, c_fa) <= 0:
        raise RecipeError(f"p_target {p_targets}, costs {c_miss} and {c_fa}: 0 < p_target < 1 and costs above 0")
    targets, nontargets = split_scores(scores, target)
    p_miss, p_fa = error_rates(targets, nontargets)
    bands = convex_hull(targets, nontargets)
    rates = {
        "eer": round(100 * equal_error_rate(p_miss, p_fa), 4),
        "eer_hull": round(100 * equal_error_rate(*hull_rates(*bands)), 4),
    }
    rates |= {f"mindcf_{p:g}": round(min_dcf(p_miss, p_fa, p, c_miss, c_fa), 5) for p in p_targets}
    if llr:
        rates |= {f"actdcf_{p:g}": round(actual_dcf(targets, nontargets, p, c_miss, c_fa), 5) for p in p_targets}
        rates |= {"cllr": round(cllr(targets, nontargets), 5), "mincllr": round(min_cllr(*bands), 5)}
    return rates | {"num_target": len(targets), "num_nontarget": len(nontargets)}
