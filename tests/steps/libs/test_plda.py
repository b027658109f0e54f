"""PLDA against multivariate normal densities written out and against a slow EM over samples."""

import numpy as np
import pytest
from libs.cli import RecipeError
from libs.plda import Plda, fit_two_covariance, length_normalise, train_plda
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


def model_of(psi):
    return Plda(*(np.zeros(1) for _ in range(5)), np.asarray(psi))


def test_ratio_is_that_of_the_densities():
    psi = np.array([3.0, 0.7, 0.0])
    u = np.random.default_rng(0).normal(size=(6, 3)) * 1.5
    left, right = model_of(psi).sides(u, u)
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
    left, right = model_of(psi).sides(np.stack([e.mean(0) for e in enrolments]), test, np.array([1, 2, 5]))
    for i, vectors in enumerate(enrolments):
        n = len(vectors)
        joint = [np.kron(np.ones((k, k)), np.diag(psi)) + np.eye(2 * k) for k in (n, n + 1, 1)]
        for j in range(4):
            values = [vectors.ravel(), np.concatenate([vectors.ravel(), test[j]]), test[j]]
            enrol, both, alone = (multivariate_normal(np.zeros(len(v)), c).logpdf(v) for v, c in zip(values, joint))
            assert left[i] @ right[j] == pytest.approx(both - enrol - alone, abs=1e-5)
    single, book = model_of(psi).sides(test, test), model_of(psi).sides(test, test, np.ones(4))
    np.testing.assert_allclose(single[0] @ single[1].T, book[0] @ book[1].T, atol=1e-5)


def test_a_ratio_worked_by_hand():
    """One dimension, B = W = 1: LLR = ln(2 / sqrt 3) - (u1² + u2²) / 12 + u1 u2 / 3."""
    left, right = model_of([1.0]).sides(np.array([[3.0]]), np.array([[1.5]]))
    assert (left @ right.T).item() == pytest.approx(np.log(2 / 3**0.5) - (9 + 2.25) / 12 + 1.5, abs=1e-6)


def test_diagonalisation_keeps_the_ratio():
    """The ratio in the transformed space is the ratio with B and W themselves, by the book."""
    x, labels, *_ = draw(classes=60, seed=3)
    model, _ = train_plda(x, labels, 4, 2, 5)
    kept = np.isin(labels, np.flatnonzero(np.bincount(labels) >= 2))
    z = length_normalise((x - model.mean) @ model.lda - model.centre) - model.mu
    between, within, _ = fit_two_covariance(z[kept], np.unique(labels[kept], return_inverse=True)[1], 5)
    u = model.transform(x)
    left, right = model.sides(u, u)
    together = np.block([[between + within, between], [between, between + within]])
    single = multivariate_normal(np.zeros(4), between + within)
    for i, j in [(0, 1), (5, 90), (33, 34)]:
        expected = multivariate_normal(np.zeros(8), together).logpdf(np.concatenate([z[i], z[j]]))
        expected -= single.logpdf(z[i]) + single.logpdf(z[j])
        assert left[i] @ right[j] == pytest.approx(expected, abs=1e-4)


def test_duplicates_stay_finite():
    x = np.repeat(np.random.default_rng(0).normal(size=(6, 10)), 4, axis=0)  # no spread within a class at all
    model, likelihoods = train_plda(x, np.repeat(np.arange(6), 4), 10, 2, 50)
    left, right = model.sides(model.transform(x), model.transform(x))
    assert np.isfinite(left @ right.T).all()
    assert np.isfinite(likelihoods).all()


def test_training_survives_few_and_small_classes():
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(12, 20)), np.repeat([0, 1, 2], 4)
    model, _ = train_plda(x, labels, 150, 4, 5)
    assert model.lda.shape == (20, 2)
    assert np.isfinite(model.transform(x)).all()
    with pytest.raises(RecipeError, match="min_class_size"):
        train_plda(x, labels, 10, 5, 5)
