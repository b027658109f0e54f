"""S-norm and AS-norm against loops over trials."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from dlglc.scoring import cohort as cohorts
from dlglc.scoring.backends import dot_trials
from dlglc.scoring.cohort import as_norm, cohort_statistics
from dlglc.vectors import unit_length

RNG = np.random.default_rng(0)


@pytest.fixture
def tile(monkeypatch):
    """tile(scores) → a thread holds that many scores at once."""
    return lambda scores: monkeypatch.setattr(cohorts, "TILE", scores)


def test_as_norm_against_a_loop(tile):
    tile(3 * 50)
    x, cohort = unit_length(RNG.normal(size=(20, 6))), unit_length(RNG.normal(size=(50, 6)))
    rows, columns = RNG.integers(20, size=(2, 100))
    statistics = cohort_statistics(x, cohort, 7)
    scores = dot_trials(x, x, rows, columns)
    ours = as_norm(scores, statistics, statistics, rows, columns)
    for i in range(100):
        e, t = (np.sort(cohort @ x[r])[-7:] for r in (rows[i], columns[i]))
        expected = 0.5 * ((scores[i] - e.mean()) / e.std() + (scores[i] - t.mean()) / t.std())
        assert abs(ours[i] - expected) < 1e-4


@pytest.mark.parametrize("rows", [1, 16, 700])
@pytest.mark.parametrize("top", [1, 45, 300, 1000])
@pytest.mark.parametrize("kind", ["noise", "crowds", "duplicates", "constant", "one far"])
def test_highest_scores_are_found_in_any_tiles(tile, kind, top, rows):
    """Cohorts of many alike members too, where the highest scores tie."""
    tile(rows * 3000)
    rng = np.random.default_rng(1)
    x, cohort = rng.normal(size=(40, 8)), rng.normal(size=(3000, 8))
    if kind == "crowds":
        cohort = np.repeat(rng.normal(size=(30, 8)), 100, axis=0) + 0.01 * cohort
    elif kind == "duplicates":
        cohort = np.repeat(cohort[:3], 1000, axis=0)
    elif kind == "constant":
        cohort = np.ones((3000, 8))
    elif kind == "one far":
        x[3] *= -1e4
    x, cohort = x.astype("f4"), unit_length(cohort.astype("f4"))
    mean, deviation = cohort_statistics(x, cohort, top)
    best = np.sort((x @ cohort.T).astype("f8"), axis=1)[:, -top:]
    scale = np.linalg.norm(x, axis=1)
    np.testing.assert_allclose(mean / scale, best.mean(1) / scale, atol=2e-6)
    np.testing.assert_allclose(deviation / scale, best.std(1) / scale, atol=1e-5)


def test_threads_do_not_change_a_bit():
    x, cohort = (RNG.normal(size=(n, 16)).astype("f4") for n in (5000, 4000))
    with threadpool_limits(1, "blas"):
        one = cohort_statistics(x, cohort, 100)
    with threadpool_limits(2, "blas"):
        two = cohort_statistics(x, cohort, 100)
    np.testing.assert_array_equal(one, two)


def test_all_of_the_cohort_is_s_norm():
    x, cohort = unit_length(RNG.normal(size=(9, 6))), unit_length(RNG.normal(size=(50, 6)))
    scores = x @ cohort.T
    for top in (0, 50):
        mean, deviation = cohort_statistics(x, cohort, top)
        np.testing.assert_allclose(mean, scores.mean(1), atol=1e-6)
        np.testing.assert_allclose(deviation, scores.std(1), atol=1e-6)
