"""Cosine and AS-norm against loops over trials."""

import numpy as np
from libs.backend import as_norm, cohort_statistics, dot_trials, unit_length

RNG = np.random.default_rng(0)


def test_cosine_against_a_loop():
    x, mean = RNG.normal(size=(30, 5)).astype("f4"), RNG.normal(size=5).astype("f4")
    rows, columns = RNG.integers(30, size=(2, 500))
    unit = unit_length(x, mean)
    scores = dot_trials(unit, unit, rows, columns, chunk=64)
    for i in range(0, 500, 17):
        a, b = x[rows[i]] - mean, x[columns[i]] - mean
        assert abs(scores[i] - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) < 1e-6


def test_as_norm_against_a_loop():
    x, cohort = unit_length(RNG.normal(size=(20, 6))), unit_length(RNG.normal(size=(50, 6)))
    rows, columns = RNG.integers(20, size=(2, 100))
    statistics = cohort_statistics(x, cohort, 7, rows=3)
    scores = dot_trials(x, x, rows, columns)
    ours = as_norm(scores, statistics, statistics, rows, columns)
    for i in range(100):
        e, t = (np.sort(cohort @ x[r])[-7:] for r in (rows[i], columns[i]))
        expected = 0.5 * ((scores[i] - e.mean()) / e.std() + (scores[i] - t.mean()) / t.std())
        assert abs(ours[i] - expected) < 1e-4
