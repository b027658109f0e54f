"""Confidence intervals of error rates, and of differences between systems, by a bootstrap over speakers.

Trials that share a speaker are not independent. So speakers are drawn, not trials (Bolle, Ratha and Pankanti, "The
subsets bootstrap", Computer Vision and Image Understanding 93, 2004; Poh, Martin and Bengio, IEEE TPAMI 29(3), 2007).

A nontarget trial has two speakers. Its weight is the product of the numbers of draws of both speakers, as in the
bootstrap of U-statistics and in Owen's pigeonhole bootstrap (Annals of Applied Statistics 1(2), 2007). A bootstrap that
resamples only one of the two speakers gives intervals that are too narrow (Li, Tang, Li and Zhang, ICB 2009).

A target trial has one speaker. Its weight is the number of draws of this speaker. A speaker who is drawn twice has each
target trial twice, but no nontarget trials between the two copies.
"""

from collections.abc import Iterator

import numpy as np

from ..arrays import Array
from ..scoring.metrics import Roc, equal_error_rate, min_dcf, rates


class Resampler:
    """The ROC of one system under draws of speakers.

    Args:
        curve: ROC of all trials.
        enrol, test: (T,) speaker numbers 0 to S-1 of each trial. They are equal exactly if it is a target trial.
    """

    def __init__(self, curve: Roc, enrol: Array, test: Array):
        targets, nontargets = curve.order[curve.target], curve.order[~curve.target]
        self.speaker, self.enrol, self.test = enrol[targets], enrol[nontargets], test[nontargets]
        self.missed, self.rejected = curve.counts()

    def rates(self, draws: Array) -> tuple[Array, Array] | None:
        """P_miss and P_fa at the corners of the ROC under one draw of speakers.

        Args:
            draws: (S,) int, how often each speaker is drawn.

        Returns:
            (K,) and (K,); None if no target trial or no nontarget trial is drawn.
        """
        target = np.append(0, np.cumsum(draws[self.speaker]))
        nontarget = np.append(0, np.cumsum(draws[self.enrol] * draws[self.test]))
        if not target[-1] or not nontarget[-1]:
            return None
        return rates(target[self.missed], nontarget[self.rejected])


def draw_speakers(count: int, seed: int) -> Iterator[Array]:
    """Draw `count` speakers with replacement, again and again: (count,) numbers of draws of each speaker."""
    rng = np.random.default_rng(seed)
    while True:
        yield np.bincount(rng.integers(count, size=count), minlength=count)


def bootstrap(
    curves: list[Roc],
    enrol: Array,
    test: Array,
    p_targets: tuple[float, ...],
    c_miss: float,
    c_fa: float,
    draws: int,
    seed: int,
) -> Array:
    """Error rates under draws of speakers. All systems have the same draws.

    Args:
        curves: ROCs of M systems on the same T trials.
        enrol, test: (T,) speakers of each trial, of any sortable type. They are equal exactly if it is a target trial.
        p_targets, c_miss, c_fa: operating points of minDCF.
        draws: number of draws. A draw without target trials or without nontarget trials is replaced.
        seed: of the draws.

    Returns:
        (M, draws, 1 + number of p_targets): EER in percent, then minDCF at each point.
    """
    names, numbers = np.unique(np.concatenate([enrol, test]), return_inverse=True)
    enrol, test = numbers[: len(enrol)], numbers[len(enrol) :]
    systems = [Resampler(curve, enrol, test) for curve in curves]
    found = np.empty((len(systems), draws, 1 + len(p_targets)))
    speakers, done = draw_speakers(len(names), seed), 0
    while done < draws:
        draw = next(speakers)
        corners = [corner for system in systems if (corner := system.rates(draw)) is not None]
        if len(corners) < len(systems):
            continue
        for m, (p_miss, p_fa) in enumerate(corners):
            costs = (min_dcf(p_miss, p_fa, p, c_miss, c_fa) for p in p_targets)
            found[m, done] = [100 * equal_error_rate(p_miss, p_fa), *costs]
        done += 1
    return found


def interval(values: Array, level: float = 0.95) -> list[float]:
    """Percentile interval [low, high], which contains the share `level` of the values."""
    bounds: list[float] = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).round(5).tolist()
    return bounds
