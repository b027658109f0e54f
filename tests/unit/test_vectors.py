"""Lengths, means of groups, and whitening: what becomes of the covariances, by their definition."""

import numpy as np
import pytest

from dlglc.vectors import group_means, total_whitening, unit_length, within_class_whitening


@pytest.fixture
def points():
    """600 points of 30 classes in 6 dimensions, one of which varies much within the classes and tells nothing."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(30), 20)
    x = rng.normal(size=(30, 6))[labels] + 0.3 * rng.normal(size=(600, 6))
    x[:, 2] = 3 * rng.normal(size=600)
    return x @ np.linalg.qr(rng.normal(size=(6, 6)))[0], labels


@pytest.mark.parametrize("power", [0.1, 0.25, 0.5])
def test_total_whitening_raises_every_variance_to_a_power(points, power):
    x, _ = points
    before, after = (np.linalg.eigvalsh(np.cov(y.T)) for y in (x, x @ total_whitening(x, power)))
    np.testing.assert_allclose(np.sort(after), np.sort(before ** (1 - 2 * power)), rtol=1e-4)


def test_within_class_whitening_makes_the_scatter_within_classes_round(points):
    x, labels = points
    y = x @ within_class_whitening(x, labels, shrinkage=0.0)
    within = sum(19 * np.cov(y[labels == c].T) for c in range(30)) / (600 - 30)
    np.testing.assert_allclose(within, np.eye(6), atol=1e-4)


def test_clusters_of_one_and_flat_directions_stay_finite():
    x = np.random.default_rng(0).normal(size=(20, 4))
    x[:, 3] = 0
    single, alike = np.arange(20), np.zeros(20, dtype=int)
    for matrix in (total_whitening(x, 0.5), within_class_whitening(x, single), within_class_whitening(x, alike)):
        assert np.isfinite(x @ matrix).all()


def test_full_whitening_is_the_mahalanobis_cosine():
    """x' C^-1 y over the lengths in the same metric; what has no variance of its own changes nothing."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5))).astype("f4")
    x -= x.mean(0)
    inverse = np.linalg.inv(np.cov(x.T))
    unit = unit_length(x @ total_whitening(x, 0.5))
    a, b = x[3], x[8]
    expected = a @ inverse @ b / np.sqrt((a @ inverse @ a) * (b @ inverse @ b))
    assert unit[3] @ unit[8] == pytest.approx(expected, abs=1e-4)
    flat = np.concatenate([x, x[:, :2]], axis=1)
    twice = unit_length(flat @ total_whitening(flat, 0.5))
    assert twice[3] @ twice[8] == pytest.approx(expected, abs=1e-3)


def test_group_means():
    x = np.random.default_rng(0).normal(size=(10, 3))
    means, sizes = group_means(x, np.array([4, 0, 9, 2]), np.array([1, 0, 1, 1]))
    np.testing.assert_allclose(means, [x[0], (x[4] + x[9] + x[2]) / 3])
    assert sizes.tolist() == [1, 3]


def test_means_of_groups_keep_single_precision():
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    means, sizes = group_means(x, np.array([3, 3, 0]), np.array([0, 0, 1]))  # a row may come twice
    assert means.dtype == np.float32
    np.testing.assert_array_equal(means, [x[3], x[0]])
    assert sizes.tolist() == [2, 1]


def test_unit_lengths():
    x = np.array([[3.0, 4.0], [0.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(unit_length(x), [[0.6, 0.8], [0, 0], [0.5**0.5, 0.5**0.5]])
    moved = unit_length(x, np.array([1.0, 1.0]))
    np.testing.assert_allclose(moved, [[2 / 13**0.5, 3 / 13**0.5], [-(0.5**0.5), -(0.5**0.5)], [0, 0]])


def test_whitening_of_power_zero_changes_nothing():
    x = np.random.default_rng(0).normal(size=(50, 4))
    np.testing.assert_allclose(total_whitening(x, 0.0), np.eye(4), atol=1e-6)


def test_shrinkage_moves_towards_the_plain_space(points):
    x, labels = points
    large = within_class_whitening(x, labels, shrinkage=1e6)
    np.testing.assert_allclose(large / large[0, 0], np.eye(6), atol=1e-3)
