"""Back-ends of scoring: cosine against loops over trials, and what every back-end gives to cohorts and models."""

import numpy as np
import pytest

from dlglc.scoring.backends import Cosine, dot_trials
from dlglc.vectors import unit_length

RNG = np.random.default_rng(0)


def test_cosine_against_a_loop():
    x, mean = RNG.normal(size=(30, 5)).astype("f4"), RNG.normal(size=5).astype("f4")
    rows, columns = RNG.integers(30, size=(2, 500))
    unit = unit_length(x, mean)
    scores = dot_trials(unit, unit, rows, columns, chunk=64)
    for i in range(0, 500, 17):
        a, b = x[rows[i]] - mean, x[columns[i]] - mean
        assert abs(scores[i] - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) < 1e-6


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def score(backend, x):
    vectors = backend.represent(x)
    left, right = backend.score_factors(vectors, vectors, None)
    return left @ right.T


def test_without_other_embeddings_nothing_is_subtracted():
    x = RNG.normal(size=(6, 4)) + 2
    assert score(Cosine(), x)[1, 4] == pytest.approx(cosine(x[1], x[4]))


def test_the_mean_is_that_of_the_other_embeddings():
    x, others = RNG.normal(size=(6, 4)), RNG.normal(size=(50, 4)) + 3
    mean = others.mean(0)
    assert score(Cosine(others), x)[1, 4] == pytest.approx(cosine(x[1] - mean, x[4] - mean))


def test_full_whitening_is_the_mahalanobis_cosine():
    others = RNG.normal(size=(300, 4)) @ RNG.normal(size=(4, 4)) + 1
    x = RNG.normal(size=(6, 4))
    a, b = x[1] - others.mean(0), x[4] - others.mean(0)
    inverse = np.linalg.inv(np.cov(others.T))
    expected = a @ inverse @ b / np.sqrt((a @ inverse @ a) * (b @ inverse @ b))
    assert score(Cosine(others, 0.5), x)[1, 4] == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ValueError, match="whitening is learned on embeddings"):
        Cosine(None, 0.5)


def test_models_and_cohorts_are_mean_directions():
    x = RNG.normal(size=(8, 4))
    backend = Cosine(x)
    vectors = backend.represent(x)
    rows, models = np.array([5, 0, 2, 7]), np.array([1, 0, 1, 1])
    found, counts = backend.enrol(vectors, rows, models)
    assert counts is None
    expected = unit_length(np.stack([vectors[0], (vectors[5] + vectors[2] + vectors[7]) / 3]))
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(backend.cohort(vectors, rows, models), expected)


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_scores_of_trials_do_not_depend_on_the_chunk(chunk):
    enrol, test = RNG.normal(size=(5, 3)), RNG.normal(size=(9, 3))
    rows, columns = RNG.integers(5, size=20), RNG.integers(9, size=20)
    found = dot_trials(enrol, test, rows, columns, chunk)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, (enrol @ test.T)[rows, columns], rtol=1e-5, atol=1e-6)
    by_columns = np.asfortranarray(enrol), np.asfortranarray(test)
    np.testing.assert_array_equal(dot_trials(*by_columns, rows, columns, chunk), found)
