"""The mixture against scikit-learn, the crossing against a search on a grid."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from dlglc.errors import RecipeError
from dlglc.rounds.mixture import Mixture, crossing, fit_mixture


def draw(seed, count):
    rng = np.random.default_rng(seed)
    share, gap = rng.uniform(0.2, 0.8), rng.uniform(2.5, 6)
    low = rng.normal(-3, rng.uniform(0.5, 1.2), int(share * count))
    return np.concatenate([low, rng.normal(-3 + gap, rng.uniform(0.3, 0.8), count - len(low))])


@pytest.mark.parametrize(("seed", "count"), [*((s, c) for s in range(4) for c in (3000, 200_000)), (5, 1_090_000)])
def test_against_scikit_learn(seed, count):
    """Raw values, the histogram, and as many as VoxCeleb2 has utterances."""
    x = draw(seed, count)
    start = {"means_init": np.quantile(x, [[0.1], [0.9]]), "precisions_init": np.ones((2, 1, 1))}
    if count > 10_000:  # a start from a part of the values spares most of the steps over all of them
        part = GaussianMixture(2, tol=1e-8, max_iter=2000, **start).fit(x[:: count // 5000, None])
        start = {"weights_init": part.weights_, "means_init": part.means_, "precisions_init": part.precisions_}
    theirs = GaussianMixture(2, tol=1e-8 if count < 10**6 else 1e-7, max_iter=2000, **start).fit(x[:, None])
    order = np.argsort(theirs.means_.ravel())
    ours = fit_mixture(x)
    assert ours.converged
    np.testing.assert_allclose(ours.means, theirs.means_.ravel()[order], atol=1e-3)
    np.testing.assert_allclose(ours.weights, theirs.weights_[order], atol=1e-3)
    np.testing.assert_allclose(ours.variances, theirs.covariances_.ravel()[order], rtol=2e-3)
    assert ours.log_likelihood == pytest.approx(theirs.score(x[:, None]), abs=1e-4)


@pytest.mark.parametrize("seed", range(200))
def test_crossing_is_where_the_weighted_densities_meet(seed):
    rng = np.random.default_rng(seed)
    w = rng.uniform(0.05, 0.95)
    means = np.sort(rng.normal(0, 2, 2))
    mixture = Mixture(np.array([w, 1 - w]), means, rng.uniform(0.05, 3, 2), 0.0, 1, True)
    root, between = crossing(mixture)
    grid = np.linspace(means[0], means[1], 20001)
    density = [norm.pdf(grid, m, v**0.5) * p for p, m, v in zip(mixture.weights, means, mixture.variances)]
    rises = np.flatnonzero((density[0][:-1] >= density[1][:-1]) & (density[0][1:] < density[1][1:]))
    assert between == (len(rises) == 1)
    if between:
        assert grid[rises[0]] - 1e-9 <= root <= grid[rises[0] + 1] + 1e-9
    elif root is not None:
        lower, upper = (p * norm.pdf(root, m, v**0.5) for p, m, v in zip(mixture.weights, means, mixture.variances))
        assert lower == pytest.approx(upper, rel=1e-6)
        assert root >= means[1]


def test_equal_variances_make_it_linear():
    mixture = Mixture(np.array([0.5, 0.5]), np.array([-1.0, 3.0]), np.array([0.7, 0.7]), 0.0, 1, True)
    assert crossing(mixture) == (pytest.approx(1.0), True)


@pytest.mark.parametrize("x", [np.full(100, 1.5), np.array([0.0, 1.0]), np.repeat([0.0, 5.0], [1, 20000])])
def test_degenerate_samples_stay_finite(x):
    mixture = fit_mixture(x)
    assert np.isfinite([*mixture.means, *mixture.weights, *mixture.variances, mixture.log_likelihood]).all()
    crossing(mixture)


def test_what_is_not_finite_is_dropped_and_counted():
    x = draw(0, 3000)
    dirty = np.concatenate([[np.nan, np.inf], x, [-np.inf]])
    ours, theirs = fit_mixture(dirty), fit_mixture(x)
    assert (ours.dropped, theirs.dropped) == (3, 0)
    np.testing.assert_array_equal(ours.means, theirs.means)


def test_single_precision_and_a_far_outlier_change_little():
    x = draw(1, 100_000)
    ours, far = fit_mixture(x.astype("f4")), fit_mixture(np.append(x, -18.4))  # ln 1e-8, the floor of the losses
    np.testing.assert_allclose(ours.means, fit_mixture(x).means, atol=1e-4)
    assert crossing(far)[0] == pytest.approx(crossing(ours)[0], abs=0.01)


def test_unusable_samples_are_named():
    with pytest.raises(RecipeError, match="two or more finite"):
        fit_mixture(np.array([1.0, np.nan, np.inf]))
    with pytest.raises(RecipeError, match="two or more finite"):
        fit_mixture(np.array([1.0]))
