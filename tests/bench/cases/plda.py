"""Cases about PLDA: training, and log-likelihood ratios of trials."""

from collections.abc import Callable
from typing import Any

import numpy as np
from measure import Peer, Timed, clock, compare
from peers import if_present, peer_module

from dlglc.scoring.backends import dot_trials
from dlglc.scoring.plda import Plda, fit_two_covariance, train_plda


def plda_train() -> None:
    """PLDA on 100k x 192, 5k classes, 10 EM iterations"""
    rng = np.random.default_rng(0)
    labels = rng.integers(5000, size=100_000)
    speakers = rng.standard_normal((5000, 192)) @ np.diag(np.linspace(2, 0.1, 192))
    x = speakers[labels] + rng.standard_normal((100_000, 192))
    x -= x.mean(0)
    difference = largest_difference(x[labels < 400], labels[labels < 400])
    sb = peer_module("speechbrain.processing.PLDA_LDA")

    def speechbrain() -> Timed:
        names = np.array([f"{label:04d}" for label in labels])
        segments = np.array([f"{i:06d}" for i in range(len(x))])
        none = np.array([None] * len(x))
        statistics = sb.StatObject_SB(names, segments, none, none, np.ones((len(x), 1)), x.copy())
        model = sb.PLDA(rank_f=192, nb_iter=1)
        before = clock()
        model.plda(statistics)
        return Timed(clock() - before)

    def a_class() -> None:
        two_covariance_by_class(x, labels, 1)

    peers = {
        f"a loop over classes (as WeSpeaker); same B and W to {difference:.0e}": Peer(a_class, goal=15, factor=10),
        "SpeechBrain's PLDA, rank 192, 1 iteration and its sums": Peer(if_present(sb, speechbrain)),
    }
    compare("PLDA, 100k × 192, 5k classes, 10 iterations", lambda: fit_two_covariance(x, labels, 10), peers, 3)


def largest_difference(x: np.ndarray, labels: np.ndarray) -> float:
    """How far B and W of ours are from those of the loop over classes after 3 iterations, relative to their maxima."""
    x = x - x.mean(0)
    between, within, _ = fit_two_covariance(x, labels, 3)
    theirs = two_covariance_by_class(x, labels, 3)
    return max(np.abs(a - b).max() / np.abs(a).max() for a, b in zip(theirs, (between, within)))


def two_covariance_by_class(x: np.ndarray, labels: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray]:
    """EM of the two-covariance model in a loop over classes, with one matrix inversion for each class.

    Args:
        x: (N, D) of mean 0.
        labels: (N,) classes.
        iterations: of EM.

    Returns:
        B and W, (D, D) each.
    """
    _, labels = np.unique(labels, return_inverse=True)
    order = np.argsort(labels, kind="stable")
    classes = np.split(x[order], np.flatnonzero(np.diff(labels[order])) + 1)
    means = np.stack([c.mean(0) for c in classes])
    within = sum((c - m).T @ (c - m) for c, m in zip(classes, means)) / len(x)
    within += 1e-6 * np.trace(x.T @ x) / x.size * np.eye(x.shape[1])
    between = means.T @ means / len(classes)
    scatter = x.T @ x
    for _ in range(iterations):
        precision_w, precision_b = np.linalg.inv(within), np.linalg.inv(between)
        second, cross, inside = 0, 0, 0
        for c, mean in zip(classes, means):
            n = len(c)
            covariance = np.linalg.inv(precision_b + n * precision_w)
            y = covariance @ (precision_w @ (n * mean))
            moment = np.outer(y, y) + covariance
            second = second + moment
            cross = cross + np.outer(y, n * mean)
            inside = inside + n * moment
        between = second / len(classes)
        within = (scatter - cross - cross.T + inside) / len(x)
    return between, within


def plda_score() -> None:
    """PLDA log-likelihood ratios: 580k trials of 145k, and a list of VoxCeleb1-O's size"""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(500), 10)
    x = rng.standard_normal((500, 192))[labels] + rng.standard_normal((5000, 192))
    model, _ = train_plda(x, labels, 192, 2, 2)
    u = model.transform(rng.standard_normal((145_000, 192)))
    rows, columns = rng.integers(len(u), size=(2, 580_000))
    pairs = list(zip(rows.tolist(), columns.tolist()))[:20_000]
    total, between = np.diag(1 + model.psi), np.diag(model.psi)
    d = len(model.psi)
    joint = np.linalg.inv(np.block([[total, between], [between, total]]))
    square, cross = np.linalg.inv(total) - joint[:d, :d], joint[:d, d:]

    def a_trial() -> None:
        for i, j in pairs:
            a, b = u[i], u[j]
            0.5 * (a @ square @ a + b @ square @ b) - a @ cross @ b

    peers = {"the quadratic form a trial": Peer(a_trial, goal=10, factor=29)}
    compare("PLDA ratios, 580k trials of 145k × 192", ratios(model, u, rows, columns), peers)
    rows, columns = rng.integers(4708, size=(2, 37_611))
    sb = peer_module("speechbrain.processing.PLDA_LDA")
    theirs = all_pairs(sb, model, u[:4708], rows, columns) if sb else None
    peers = {"SpeechBrain's fast_PLDA_scoring, all pairs, its index given": Peer(theirs)}
    compare("PLDA ratios, 37,611 trials of 4,708", ratios(model, u[:4708], rows, columns), peers, 3)


def ratios(model: Plda, u: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Callable[[], None]:
    """Ours: the log-likelihood ratios of the trials rows[i], columns[i] of the vectors u."""

    def run() -> None:
        left, right = model.score_factors(u, u)
        dot_trials(left, right, rows, columns)

    return run


def all_pairs(sb: Any, model: Plda, u: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> Callable[[], None]:
    """SpeechBrain's: the ratios of all pairs of the vectors u, from which the trials are taken."""
    d, count = len(model.psi), len(u)
    names, none = np.array([f"{i:04d}" for i in range(count)]), np.array([None] * count)
    side = sb.StatObject_SB(names, names, none, none, np.ones((count, 1)), u)
    trials = sb.Ndx(models=names, testsegs=names)

    def run() -> None:
        scores = sb.fast_PLDA_scoring(
            side, side, trials, np.zeros(d), np.diag(np.sqrt(model.psi)), np.eye(d), check_missing=False
        )
        scores.scoremat[rows, columns]

    return run
