"""PLDA against multivariate normal densities written out and against a slow EM over samples."""

import numpy as np
import pytest
from libs.cli import RecipeError
from libs.plda import Plda, fit_two_covariance, train_plda
from scipy.stats import multivariate_normal


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


def test_em_finds_the_covariances_that_made_the_data():
    x, labels, between, within = draw(classes=4000, seed=1)
    b, w, _ = fit_two_covariance(x, labels, 60)
    np.testing.assert_allclose(b, between, atol=0.12)
    np.testing.assert_allclose(w, within, rtol=0.05, atol=0.05)


def test_ratio_is_that_of_the_densities():
    psi = np.array([3.0, 0.7, 0.0])
    model = Plda(*(np.zeros(1) for _ in range(5)), psi)
    u = np.random.default_rng(0).normal(size=(6, 3)) * 1.5
    own, weighted = model.score_parts(u)
    together = np.block([[np.diag(1 + psi), np.diag(psi)], [np.diag(psi), np.diag(1 + psi)]])
    for i in range(6):
        for j in range(6):
            pair = np.concatenate([u[i], u[j]])
            same = multivariate_normal(np.zeros(6), together).logpdf(pair)
            apart = multivariate_normal(np.zeros(6), np.diag(np.tile(1 + psi, 2))).logpdf(pair)
            assert own[i] + own[j] + weighted[i] @ u[j] == pytest.approx(same - apart, abs=1e-10)


def test_diagonalisation_keeps_the_ratio():
    """The ratio in the transformed space is the ratio with B and W themselves, by the book."""
    x, labels, *_ = draw(classes=60, seed=3)
    model, _ = train_plda(x, labels, 4, 2, 5)
    from libs.plda import length_normalise

    kept = np.isin(labels, np.flatnonzero(np.bincount(labels) >= 2))
    z = length_normalise((x - model.mean) @ model.lda - model.centre) - model.mu
    between, within, _ = fit_two_covariance(z[kept], np.unique(labels[kept], return_inverse=True)[1], 5)
    own, weighted = model.score_parts(model.transform(x))
    together = np.block([[between + within, between], [between, between + within]])
    single = multivariate_normal(np.zeros(4), between + within)
    for i, j in [(0, 1), (5, 90), (33, 34)]:
        expected = multivariate_normal(np.zeros(8), together).logpdf(np.concatenate([z[i], z[j]]))
        expected -= single.logpdf(z[i]) + single.logpdf(z[j])
        u = model.transform(x[[i, j]])
        assert own[i] + own[j] + weighted[i] @ u[1] == pytest.approx(expected, abs=1e-6)


def test_training_survives_few_and_small_classes():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(12, 20)), np.repeat([0, 1, 2], 4)
    model, _ = train_plda(x, labels, 150, 4, 5)
    assert model.lda.shape == (20, 2)
    assert np.isfinite(model.transform(x)).all()
    with pytest.raises(RecipeError, match="min_class_size"):
        train_plda(x, labels, 10, 5, 5)
