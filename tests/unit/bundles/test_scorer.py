"""The scores of a bundle are those of stage 6."""

import numpy as np
import pytest

from dlglc.bundles.scorer import Scorer, cohort_of
from dlglc.scoring.backends import Cosine
from dlglc.scoring.plda import train_plda
from dlglc.vectors import total_whitening


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 6)
    x = (3 * rng.standard_normal((40, 8))[labels] + rng.standard_normal((240, 8)) + 2).astype("f4")
    plda = train_plda(x, labels, 6, 2, 5)[0]
    found = {"mean": x.mean(0), "cohort": cohort_of(x, labels, 30), "white": total_whitening(x, 0.3)}
    return {**found, **{f"plda_{name}": array for name, array in vars(plda).items()}}, x, labels, plda


def slow_asnorm(a, b, cohort, top):
    def normal(x):
        best = np.sort(cohort @ x)[-top:]
        return best.mean(), best.std()

    (mu, sigma), (nu, tau) = normal(a), normal(b)
    return ((a @ b - mu) / sigma + (a @ b - nu) / tau) / 2


def test_cosine_and_its_normalisation(arrays):
    parts, x, _, _ = arrays
    vectors = Cosine(x, 0.3).represent(x)
    cosine = Scorer("cosine", parts, 5, True)
    np.testing.assert_allclose(cosine.pairs(cosine.represent(x[:4]))[1, 3], vectors[1] @ vectors[3], atol=1e-5)
    scorer = Scorer("asnorm", parts, 5, True)
    expected = slow_asnorm(vectors[1], vectors[3], Cosine(x, 0.3).represent(parts["cohort"]), 5)
    np.testing.assert_allclose(scorer.pairs(scorer.represent(x[:4]))[1, 3], expected, atol=1e-4)


def test_plda_of_several_recordings(arrays):
    parts, x, labels, plda = arrays
    scorer = Scorer("plda", parts, 5, True)
    vectors = scorer.represent(x)
    models = scorer.enrol(vectors[:12], labels[:12])
    u = plda.transform(x)
    means = np.stack([u[:6].mean(0), u[6:12].mean(0)])
    left, right = plda.score_factors(means, u[20:30], np.array([6, 6]))
    np.testing.assert_allclose(scorer.scores(models, vectors[20:30]), left @ right.T, atol=1e-3)


@pytest.mark.parametrize("backend", ["plda", "asnorm", "cosine"])
def test_trials_and_sums_are_the_matrix(arrays, backend):
    parts, x, labels, _ = arrays
    scorer = Scorer(backend, parts, 5, True)
    vectors = scorer.represent(x)
    rows, columns = np.array([0, 7, 33]), np.array([50, 2, 120])
    np.testing.assert_allclose(
        scorer.trials(vectors, rows, columns), scorer.pairs(vectors)[rows, columns], rtol=1e-4, atol=1e-4
    )
    sums = np.stack([vectors[labels == person].sum(0) for person in range(5)])
    found = scorer.scores(scorer.pooled(sums, np.full(5, 6)), vectors[:3])
    expected = scorer.scores(scorer.enrol(vectors[:30], labels[:30]), vectors[:3])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_cohort_is_of_the_largest_clusters():
    x, clusters = np.arange(12.0).reshape(6, 2), np.array([0, 1, 1, 2, 2, 2])
    assert cohort_of(x, clusters, 2).tolist() == [[3, 4], [8, 9]]
    assert cohort_of(x, clusters, 9).shape == (3, 2)
