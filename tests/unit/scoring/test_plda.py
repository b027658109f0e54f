"""PLDA against multivariate normal densities written out and against a slow EM over samples."""

import numpy as np
import pytest
from scipy.linalg import eigh
from scipy.stats import multivariate_normal

from dlglc.errors import RecipeError
from dlglc.scoring.plda import Plda, adapt_plda, fit_two_covariance, length_normalise, train_plda


def draw(classes=40, dim=4, seed=0, largest=9):
    rng = np.random.default_rng(seed)
    between, within = (a @ a.T / dim for a in rng.normal(size=(2, dim, dim)))
    labels = np.repeat(np.arange(classes), rng.integers(1, largest, classes))
    y = rng.multivariate_normal(np.zeros(dim), between, classes)
    x = y[labels] + rng.multivariate_normal(np.zeros(dim), within, len(labels))
    return x - x.mean(0), labels, between, within


def log_likelihood(x, labels, between, within):
    """Mean per vector: each class's vectors stacked are one normal of covariance W on the diagonal, B everywhere."""
    total = 0.0
    for c in np.unique(labels):
        rows = x[labels == c]
        n = len(rows)
        covariance = np.kron(np.eye(n), within) + np.kron(np.ones((n, n)), between)
        total += multivariate_normal(np.zeros(rows.size), covariance, allow_singular=True).logpdf(rows.ravel())
    return total / len(x)


def slow_em_step(x, labels, between, within):
    classes, dim = np.unique(labels), x.shape[1]
    new_between, new_within = np.zeros((dim, dim)), np.zeros((dim, dim))
    for c in classes:
        rows = x[labels == c]
        covariance = np.linalg.inv(np.linalg.inv(between) + len(rows) * np.linalg.inv(within))
        y = covariance @ np.linalg.inv(within) @ rows.sum(0)
        new_between += np.outer(y, y) + covariance
        for row in rows:
            new_within += np.outer(row - y, row - y) + covariance
    return new_between / len(classes), new_within / len(x)


def test_em_is_the_slow_one_and_never_loses_likelihood():
    x, labels, *_ = draw()
    _, _, likelihoods = fit_two_covariance(x, labels, 8)
    assert (np.diff(likelihoods) > -1e-9).all()
    first_b, first_w, _ = fit_two_covariance(x, labels, 1)
    for steps in range(2, 6):
        first_b, first_w = slow_em_step(x, labels, first_b, first_w)
        b, w, _ = fit_two_covariance(x, labels, steps)
        np.testing.assert_allclose(b, first_b, atol=1e-7)
        np.testing.assert_allclose(w, first_w, atol=1e-7)
    b, w, _ = fit_two_covariance(x, labels, 7)
    assert likelihoods[-1] == pytest.approx(log_likelihood(x, labels, b, w), rel=1e-6)


def em_step_of_class_means(x, labels, between, within):
    """Kaldi's and WeSpeaker's form: the mean of a class of n is N(0, B + W/n), and the rest of it has n - 1 degrees."""
    classes, sizes = np.unique(labels, return_counts=True)
    new_between, new_within = np.zeros((2, *between.shape))
    for c, n in zip(classes, sizes):
        rows = x[labels == c]
        m = rows.mean(0)
        mixed = np.linalg.inv(np.linalg.inv(between) + n * np.linalg.inv(within))
        w = mixed @ (n * np.linalg.solve(within, m))
        new_between += mixed + np.outer(w, w)
        new_within += (rows - m).T @ (rows - m) + n * (mixed + np.outer(m - w, m - w))
    return new_between / len(classes), new_within / len(x)


def test_em_is_that_of_class_means():
    x, labels, *_ = draw(classes=60, dim=6, seed=2)
    b, w, _ = fit_two_covariance(x, labels, 0)  # where EM starts
    for _ in range(10):
        b, w = em_step_of_class_means(x, labels, b, w)
    found = fit_two_covariance(x, labels, 10)
    np.testing.assert_allclose(found[0], b, atol=1e-7)
    np.testing.assert_allclose(found[1], w, atol=1e-7)


def test_an_em_step_worked_by_hand():
    """Class a = {3, 1}, class b = {-4}: N = 3, I = 2, of mean 0.

    Start: W = ((3-2)² + (1-2)²) / 3 = 2/3, B = (2² + 4²) / 2 = 10.
    Class a: variance of y = 1 / (1/10 + 2 · 3/2) = 10/31, mean = 10/31 · (3/2) · 4 = 60/31.
    Class b: variance of y = 1 / (1/10 + 3/2) = 5/8, mean = 5/8 · (3/2) · (-4) = -15/4.
    B = ((60/31)² + 10/31 + (15/4)² + 5/8) / 2 = 9.3786...
    W = ((33/31)² + (29/31)² + 2 · 10/31 + (1/4)² + 5/8) / 3 = 1.1137...
    """
    x, labels = np.array([[3.0], [1.0], [-4.0]]), np.array([0, 0, 1])
    b, w, _ = fit_two_covariance(x, labels, 1)
    assert b.item() == pytest.approx((3600 / 961 + 10 / 31 + 225 / 16 + 5 / 8) / 2, abs=1e-4)
    assert w.item() == pytest.approx((1930 / 961 + 20 / 31 + 1 / 16 + 5 / 8) / 3, abs=1e-4)


def test_em_finds_the_covariances_that_made_the_data():
    x, labels, between, within = draw(classes=4000, seed=1)
    b, w, _ = fit_two_covariance(x, labels, 60)
    np.testing.assert_allclose(b, between, atol=0.12)
    np.testing.assert_allclose(w, within, rtol=0.05, atol=0.05)


def model_of(psi):
    return Plda(*(np.zeros(1) for _ in range(5)), np.asarray(psi))


def test_ratio_is_that_of_the_densities():
    psi = np.array([3.0, 0.7, 0.0])
    u = np.random.default_rng(0).normal(size=(6, 3)) * 1.5
    left, right = model_of(psi).score_factors(u, u)
    together = np.block([[np.diag(1 + psi), np.diag(psi)], [np.diag(psi), np.diag(1 + psi)]])
    for i in range(6):
        for j in range(6):
            pair = np.concatenate([u[i], u[j]])
            same = multivariate_normal(np.zeros(6), together).logpdf(pair)
            apart = multivariate_normal(np.zeros(6), np.diag(np.tile(1 + psi, 2))).logpdf(pair)
            assert left[i] @ right[j] == pytest.approx(same - apart, abs=1e-5)


def test_ratio_with_several_enrolment_utterances_is_that_of_the_densities():
    psi, rng = np.array([2.0, 0.3]), np.random.default_rng(1)
    enrolments = [rng.normal(size=(n, 2)) for n in (1, 2, 5)]
    test = rng.normal(size=(4, 2))
    left, right = model_of(psi).score_factors(np.stack([e.mean(0) for e in enrolments]), test, np.array([1, 2, 5]))
    for i, vectors in enumerate(enrolments):
        n = len(vectors)
        joint = [np.kron(np.ones((k, k)), np.diag(psi)) + np.eye(2 * k) for k in (n, n + 1, 1)]
        for j in range(4):
            values = [vectors.ravel(), np.concatenate([vectors.ravel(), test[j]]), test[j]]
            enrol, both, alone = (multivariate_normal(np.zeros(len(v)), c).logpdf(v) for v, c in zip(values, joint))
            assert left[i] @ right[j] == pytest.approx(both - enrol - alone, abs=1e-5)
    single, book = model_of(psi).score_factors(test, test), model_of(psi).score_factors(test, test, np.ones(4))
    np.testing.assert_allclose(single[0] @ single[1].T, book[0] @ book[1].T, atol=1e-5)


def test_a_ratio_worked_by_hand():
    """One dimension, B = W = 1: LLR = ln(2 / sqrt 3) - (u1² + u2²) / 12 + u1 u2 / 3."""
    left, right = model_of([1.0]).score_factors(np.array([[3.0]]), np.array([[1.5]]))
    assert (left @ right.T).item() == pytest.approx(np.log(2 / 3**0.5) - (9 + 2.25) / 12 + 1.5, abs=1e-6)


def test_diagonalisation_keeps_the_ratio():
    """The ratio in the transformed space is the ratio with B and W themselves, by the book."""
    x, labels, *_ = draw(classes=60, seed=3)
    model, _ = train_plda(x, labels, 4, 2, 5)
    kept = np.isin(labels, np.flatnonzero(np.bincount(labels) >= 2))
    z = length_normalise((x - model.mean) @ model.lda - model.centre) - model.mu
    between, within, _ = fit_two_covariance(z[kept], np.unique(labels[kept], return_inverse=True)[1], 5)
    u = model.transform(x)
    left, right = model.score_factors(u, u)
    together = np.block([[between + within, between], [between, between + within]])
    single = multivariate_normal(np.zeros(4), between + within)
    for i, j in [(0, 1), (5, 90), (33, 34)]:
        expected = multivariate_normal(np.zeros(8), together).logpdf(np.concatenate([z[i], z[j]]))
        expected -= single.logpdf(z[i]) + single.logpdf(z[j])
        assert left[i] @ right[j] == pytest.approx(expected, abs=1e-4)


def test_duplicates_stay_finite():
    x = np.repeat(np.random.default_rng(0).normal(size=(6, 10)), 4, axis=0)  # no spread within a class at all
    model, likelihoods = train_plda(x, np.repeat(np.arange(6), 4), 10, 2, 50)
    left, right = model.score_factors(model.transform(x), model.transform(x))
    assert abs(left @ right.T).max() < 10_000  # in the millions before W had a floor
    assert np.isfinite(likelihoods).all()


def test_training_survives_few_and_small_classes():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(12, 20)), np.repeat([0, 1, 2], 4)
    model, _ = train_plda(x, labels, 150, 4, 5)
    assert model.lda.shape == (20, 2)
    assert np.isfinite(model.transform(x)).all()
    with pytest.raises(RecipeError, match="min_class_size"):
        train_plda(x, labels, 10, 5, 5)


def shifted(x, dim, seed=5):
    """Another domain: moved, wider in some directions, narrower in others."""
    rng = np.random.default_rng(seed)
    return x * np.linspace(0.5, 2.5, dim) + rng.normal(size=dim) + rng.normal(size=x.shape)


@pytest.mark.parametrize("scales", [(0.75, 0.25, 1.0), (0.3, 0.7, 1.0), (0.5, 0.0, 0.0), (0.0, 0.0, 1.0)])
def test_adaptation_in_the_space_of_the_vectors(scales):
    """B and W themselves, by the generalised eigenvectors of the new covariance and B + W; ratios by the densities."""
    within_scale, between_scale, mean_shift = scales
    x, labels, *_ = draw(classes=60, dim=5, seed=3)
    model, _ = train_plda(x, labels, 5, 2, 5)
    new = shifted(x, 5)
    adapted = adapt_plda(model, new, *scales)

    back = np.linalg.inv(model.diagonal)
    within, between = back.T @ back, back.T @ np.diag(model.psi) @ back
    z = length_normalise((new - new.mean(0)) @ model.lda - model.centre)
    moved = z.mean(0) - model.mu
    covariance = (z - z.mean(0)).T @ (z - z.mean(0)) / len(z) + mean_shift * np.outer(moved, moved)
    total = within + between
    values, vectors = eigh(covariance, total)
    assert (values > 1.01).any()
    assert (values < 0.99).any()
    for value, vector in zip(values, vectors.T):
        if value > 1:
            excess = (value - 1) * np.outer(total @ vector, total @ vector)
            within, between = within + within_scale * excess, between + between_scale * excess
    np.testing.assert_allclose(adapted.diagonal.T @ within @ adapted.diagonal, np.eye(5), atol=1e-9)
    np.testing.assert_allclose(adapted.diagonal.T @ between @ adapted.diagonal, np.diag(adapted.psi), atol=1e-9)
    np.testing.assert_allclose(adapted.mu, z.mean(0), atol=1e-9)
    u = adapted.transform(new)
    left, right = adapted.score_factors(u, u)
    together = np.block([[between + within, between], [between, between + within]])
    single = multivariate_normal(z.mean(0), between + within)
    for i, j in [(0, 1), (5, 90)]:
        expected = multivariate_normal(np.tile(z.mean(0), 2), together).logpdf(np.concatenate([z[i], z[j]]))
        expected -= single.logpdf(z[i]) + single.logpdf(z[j])
        assert left[i] @ right[j] == pytest.approx(expected, abs=1e-4)


def test_adaptation_worked_by_hand():
    """One dimension left by the LDA is ±1 after length normalisation: half the vectors at each, so mean 0, variance 1.

    W = 1/8, B = 3/8 (psi = 3, diagonal = sqrt 8): total 1/2, variance over total 2, excess 1 of the total = 1/2.
    Shares 3/4 and 1/4: W = 1/8 + 3/8 = 1/2, B = 3/8 + 1/8 = 1/2, psi = 1, diagonal = ±sqrt 2.
    """
    model = Plda(np.zeros(1), np.eye(1), np.zeros(1), np.zeros(1), np.array([[8**0.5]]), np.array([3.0]))
    adapted = adapt_plda(model, np.array([[5.0], [7.0], [-1.0], [-3.0]]), 0.75, 0.25, 1.0)
    assert adapted.mean.item() == 2
    assert adapted.mu.item() == pytest.approx(0)
    assert adapted.psi.item() == pytest.approx(1)
    assert abs(adapted.diagonal.item()) == pytest.approx(2**0.5)


def test_adaptation_needs_vectors():
    with pytest.raises(RecipeError, match="1 embeddings have no covariance"):
        adapt_plda(model_of([1.0]), np.zeros((1, 1)), 0.75, 0.25, 1.0)
