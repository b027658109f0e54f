"""Confidence intervals of error rates by resampling speakers, and of the difference of two systems on the same trials.

Trials that share a speaker are not independent, so speakers are drawn, not trials (Bolle, Ratha and Pankanti, "The
subsets bootstrap", Computer Vision and Image Understanding 93, 2004; Poh, Martin and Bengio, IEEE TPAMI 29(3), 2007).
A nontarget trial has two speakers, and a bootstrap that resamples one of them gives intervals that are too narrow (Li,
Tang, Li and Zhang, ICB 2009): it weighs the product of both speakers' numbers of draws, as in the bootstrap of
U-statistics and Owen's pigeonhole bootstrap (Annals of Applied Statistics 1(2), 2007). A target trial has one speaker,
and weighs his number of draws: a speaker drawn twice brings his trials twice, and two copies of him do not make
nontarget trials of each other.
"""

from collections.abc import Iterator

import numpy as np

from ..arrays import Array
from ..scoring.metrics import Roc, equal_error_rate, min_dcf, rates


class Resampler:
    """The ROC of one system under draws of speakers.

    Args:
        curve: of all trials.
        enrol, test: (T,) speaker numbers 0 to S-1 of each trial, equal exactly where the trial is a target.
    """

    def __init__(self, curve: Roc, enrol: Array, test: Array):
        targets, nontargets = curve.order[curve.target], curve.order[~curve.target]
        self.speaker, self.enrol, self.test = enrol[targets], enrol[nontargets], test[nontargets]
        self.missed, self.rejected = curve.counts()

    def rates(self, draws: Array) -> tuple[Array, Array] | None:
        """P_miss and P_fa at the curve's corners; None where a kind of trial is not drawn at all.

        Args:
            draws: (S,) int, how often each speaker is drawn.
        """
        target = np.append(0, np.cumsum(draws[self.speaker]))
        nontarget = np.append(0, np.cumsum(draws[self.enrol] * draws[self.test]))
        if not target[-1] or not nontarget[-1]:
            return None
        return rates(target[self.missed], nontarget[self.rejected])


def draw_speakers(count: int, seed: int) -> Iterator[Array]:
    """Endless draws of `count` speakers with replacement, as (count,) numbers of draws of each."""
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
    """Error rates under draws of speakers, the same draws for every system.

    Args:
        curves: of M systems on the same T trials.
        enrol, test: (T,) speakers of each trial, any hashable kind; equal exactly where the trial is a target.
        p_targets, c_miss, c_fa: operating points of minDCF.
        draws, seed: their number, and what they depend on. Draws without a target or without a nontarget are replaced.

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
    """The middle `level` of the draws (percentile interval), as [low, high]."""
    bounds: list[float] = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).round(5).tolist()
    return bounds
