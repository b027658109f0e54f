"""Error measures of verification trials, exact in the face of ties, each in one pass over two sorted lists."""

import numpy as np

from .cli import RecipeError


def split_scores(scores: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted target and nontarget scores.

    Raises:
        RecipeError: a class is missing, or a score is NaN.
    """
    scores, target = np.asarray(scores, dtype=np.float64), np.asarray(target, dtype=bool)
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
    accept_from = np.unique(target)
    # Corners just at and just above every target score; nontarget scores between them lie on a straight edge.
    miss = np.stack([np.searchsorted(target, accept_from, side) for side in ("left", "right")], 1).ravel()
    rejected = np.stack([np.searchsorted(nontarget, accept_from, side) for side in ("left", "right")], 1).ravel()
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


def summary(scores: np.ndarray, target: np.ndarray) -> dict:
    """EER in percent and minDCF at p_target 0.01 and 0.05, with the numbers of trials."""
    targets, nontargets = split_scores(scores, target)
    p_miss, p_fa = error_rates(targets, nontargets)
    return {
        "eer": round(100 * equal_error_rate(p_miss, p_fa), 4),
        "mindcf_0.01": round(min_dcf(p_miss, p_fa, 0.01), 5),
        "mindcf_0.05": round(min_dcf(p_miss, p_fa, 0.05), 5),
        "num_target": len(targets),
        "num_nontarget": len(nontargets),
    }
