"""k-means against scikit-learn's objective, a literal spherical one, and awkward inputs."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from dlglc.clusters.kmeans import _kmeans_plus_plus, kmeans
from dlglc.errors import RecipeError


def blobs(k=8, each=40, dim=6, spread=0.35, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(k, dim))
    return np.repeat(centres, each, axis=0) + spread * rng.normal(size=(k * each, dim))


@pytest.mark.parametrize("seed", range(3))
def test_euclidean_objective_is_scikit_learns(seed):
    x = blobs(seed=seed)
    ours = kmeans(x, 8, spherical=False, restarts=40, tolerance=1e-7)
    theirs = KMeans(8, n_init=10, random_state=0).fit(x)
    assert ours.objective == pytest.approx(theirs.inertia_ / len(x), rel=1e-4)
    distances = ((x[:, None] - ours.centroids[None]) ** 2).sum(-1)
    np.testing.assert_array_equal(ours.labels, distances.argmin(1))


def test_spherical_against_a_literal_one_from_the_same_start():
    x = blobs(spread=1.0, seed=4)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    rng = np.random.default_rng((7, 0))
    centroids = unit[np.sort(rng.choice(len(x), 8, replace=False))]
    for _ in range(100):
        labels = np.array([int(np.argmax([p @ c for c in centroids])) for p in unit])
        centroids = np.stack([unit[labels == c].sum(0) for c in range(8)])
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    ours = kmeans(x, 8, init="random", seed=7, tolerance=0.0)
    np.testing.assert_array_equal(ours.labels, labels)
    np.testing.assert_allclose(ours.centroids, centroids, atol=1e-5)
    assert ours.objective == pytest.approx(np.mean([unit[i] @ centroids[c] for i, c in enumerate(labels)]), abs=1e-5)


def test_a_start_may_be_given():
    x = blobs(spread=1.0, seed=4) + 30
    for spherical in (True, False):
        first = kmeans(x, 8, spherical=spherical, init="random", seed=7, max_iter=1)
        given = kmeans(x, 8, spherical=spherical, init=first.centroids, max_iter=20)
        drawn = kmeans(x, 8, spherical=spherical, init="random", seed=7, max_iter=20)
        np.testing.assert_array_equal(given.labels, drawn.labels)


def test_scikit_learn_from_the_same_start_ends_at_the_same_clusters():
    x = blobs(k=12, spread=1.0, seed=5)
    start = kmeans(x, 12, spherical=False, init="random", seed=2, max_iter=1).centroids
    ours = kmeans(x, 12, spherical=False, init=start, max_iter=50, tolerance=0.0)
    theirs = KMeans(12, init=start, n_init=1, max_iter=50, tol=0.0).fit(x.astype("f4"))
    np.testing.assert_array_equal(ours.labels, theirs.labels_)
    assert ours.objective == pytest.approx(theirs.inertia_ / len(x), rel=1e-4)


def test_chunks_and_restarts():
    x = blobs(k=20, spread=0.8, seed=2)
    whole, parts = kmeans(x, 20, seed=3), kmeans(x, 20, seed=3, chunk=7)
    np.testing.assert_array_equal(whole.labels, parts.labels)
    objectives = [kmeans(x, 20, restarts=r, init="random").objective for r in (1, 2, 8)]
    assert objectives == sorted(objectives)


def test_every_cluster_keeps_a_member():
    x = np.concatenate([np.repeat([[1.0, 0.0]], 50, 0), [[0.0, 1.0], [-1.0, 0.2], [0.3, -1.0]]])
    for seed in range(5):
        found = kmeans(x, 4, seed=seed, init="random")
        assert len(np.unique(found.labels)) == 4
    few = kmeans(np.ones((5, 3)), 3)  # fewer distinct points than clusters
    assert np.isfinite(few.centroids).all()
    assert len(np.unique(kmeans(x[:7] + np.arange(7)[:, None] / 9, 7).labels)) == 7


def test_mistakes_are_named():
    with pytest.raises(RecipeError, match="6 clusters of 5 points"):
        kmeans(np.ones((5, 2)), 6)
    with pytest.raises(RecipeError, match="NaN"):
        kmeans(np.array([[1.0, np.nan], [0, 1]]), 1)


def test_starts_are_drawn_as_k_means_plus_plus_draws_them():
    """Drawing several in one pass must not change their distribution: mean potential against one at a time."""
    rng = np.random.default_rng(0)
    x = blobs(k=30, each=10, dim=3, seed=1).astype("f4")
    ours, literal = [], []
    for _ in range(150):
        start = x[np.sort(_kmeans_plus_plus(torch.from_numpy(x), 20, rng, 64))]
        ours.append(((x[:, None] - start) ** 2).sum(-1).min(1).mean())
        chosen = [int(rng.integers(len(x)))]
        while len(chosen) < 20:
            nearest = ((x[:, None] - x[chosen]) ** 2).sum(-1).min(1)
            chosen.append(int(rng.choice(len(x), p=nearest.astype("f8") / nearest.sum(dtype="f8"))))
        literal.append(((x[:, None] - x[chosen]) ** 2).sum(-1).min(1).mean())
    error = np.hypot(np.std(ours), np.std(literal)) / len(ours) ** 0.5
    assert abs(np.mean(ours) - np.mean(literal)) < 4 * error


def test_labels_belong_to_the_centroids_even_when_cut_short():
    x = blobs(k=12, spread=1.0, seed=5)
    for spherical in (True, False):
        found = kmeans(x, 12, spherical=spherical, max_iter=2)
        y = x / np.linalg.norm(x, axis=1, keepdims=True) if spherical else x
        np.testing.assert_array_equal(found.labels, ((y[:, None] - found.centroids) ** 2).sum(-1).argmin(1))
        assert found.iterations == 2


def test_a_far_common_offset_costs_no_digits():
    x = blobs(seed=6)
    near, far = (kmeans(x + offset, 8, spherical=False, seed=1) for offset in (0, 1000))
    assert far.objective == pytest.approx(near.objective, rel=1e-3)
    np.testing.assert_allclose(far.centroids.mean(0), near.centroids.mean(0) + 1000, atol=0.5)


def test_repair_never_empties_another_cluster():
    x = np.concatenate([np.zeros((200, 2)), [[9.0, 0], [9.1, 0], [0, 9], [0, 9.3]]])
    for seed in range(10):
        found = kmeans(x, 7, spherical=False, init="random", seed=seed)
        assert len(np.unique(found.labels)) == 7
