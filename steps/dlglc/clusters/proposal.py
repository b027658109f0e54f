"""A proposal for the number of clusters: the knee of the silhouette over K (steps/propose_num_clusters.py)."""

import numpy as np
import torch

from ..arrays import Array
from ..console import progress
from ..settings.schema import ClusterSettings
from ..vectors import group_means, total_whitening, unit_length
from .kmeans import kmeans
from .search import count_starts, cut, find_centroids, merging_tree

STEPS_PER_DOUBLING = 3


def propose_num_clusters(points: Array, settings: ClusterSettings, seed: int, device: str | torch.device) -> int:
    """A number of clusters for `num_clusters: 0`, from the silhouette: its knee, or for merged clusters its maximum.

    The silhouette of k-means often has its maximum at a few large groups. That of merged clusters of a good encoder has
    it near the number of speakers.

    Args:
        points: (N, D) embeddings, N >= 8.
        settings: of conf/cluster.yaml; whitening is taken over, and whether centroids are merged.
        seed: of the starting points.
    """
    smallest, largest = max(2, min(10, len(points) // 8)), max(4, len(points) // 4)
    if settings.ahc_from or settings.ahc_share:
        curve = merging_curve(points, settings, smallest, largest, seed, device)
        return max(curve, key=lambda point: point[1])[0]
    return knee(silhouette_curve(points, smallest, largest, settings.whiten or 0.25, 2, seed, device))


def silhouette_curve(
    points: Array,
    smallest: int,
    largest: int,
    whiten: float,
    restarts: int,
    seed: int,
    device: str | torch.device = "cpu",
) -> list[tuple[int, float]]:
    """Mean silhouette of the clusters that k-means finds, for each K of a geometric grid.

    Args:
        points: (N, D) embeddings.
        smallest, largest: first and last K of the grid.
        whiten, restarts: as in conf/cluster.yaml.
        seed: of the starting points.
        device: where the distances are computed.

    Returns:
        (K, silhouette) pairs in the order of K.
    """
    unit = unit_length(points - points.mean(0))
    unit = unit_length(unit @ total_whitening(unit, whiten)).astype(np.float32)
    steps = round(np.log2(largest / smallest) * STEPS_PER_DOUBLING)
    grid = np.unique(np.geomspace(smallest, largest, steps + 1).round().astype(int)).tolist()
    curve = []
    for k in progress(grid, len(grid), "numbers of clusters"):
        found = kmeans(unit, k, restarts=restarts, seed=seed, device=device)
        curve.append((k, round(silhouette(unit, found.labels), 5)))
        print(f"{k:8d} clusters: silhouette {curve[-1][1]:.4f}")
    return curve


def merging_curve(
    points: Array, settings: ClusterSettings, smallest: int, largest: int, seed: int, device: str | torch.device
) -> list[tuple[int, float]]:
    """Mean silhouette of merged clusters, for each K of a geometric grid. The centroids are found and ordered once.

    Args:
        points: (N, D) embeddings.
        settings: of conf/cluster.yaml.
        smallest, largest: first and last K of the grid. No K is above the number of centroids.
        seed: of the starting points.
        device: where the distances are computed.

    Returns:
        (K, silhouette) pairs in the order of K.
    """
    space, found = find_centroids(points, settings, count_starts(settings, len(points)), seed, device)
    unit, tree = unit_length(space), merging_tree(found.centroids)
    largest = min(largest, len(found.centroids))
    steps = round(np.log2(largest / smallest) * 2 * STEPS_PER_DOUBLING)
    grid = np.unique(np.geomspace(smallest, largest, steps + 1).round().astype(int)).tolist()
    return [(k, silhouette(unit, cut(tree, k)[found.labels])) for k in grid]


def knee(curve: list[tuple[int, float]]) -> int:
    """The K whose value is farthest above the straight line from the first to the last point, over log K."""
    numbers, values = np.log([k for k, _ in curve]), np.array([value for _, value in curve])
    line = np.interp(numbers, numbers[[0, -1]], values[[0, -1]])
    return int(curve[int((values - line).argmax())][0])


def silhouette(unit: Array, labels: Array, chunk: int = 8192) -> float:
    """Mean of (b - a) / max(a, b) over unit vectors.

    a is the cosine distance to the centroid of the own cluster, computed without the vector itself. b is the cosine
    distance to the nearest other centroid. The value is 0 for the only member of a cluster. This is the simplified
    silhouette of Vendramin, Campello and Hruschka (2010), except that they do not leave the vector out, which favours
    K near N.

    Args:
        unit: (N, D) unit vectors.
        labels: (N,) clusters.
        chunk: vectors that are compared with all centroids at once.
    """
    labels = np.unique(labels, return_inverse=True)[1]
    means, sizes = group_means(unit, np.arange(len(unit)), labels)
    centroids = unit_length(means)
    total = 0.0
    for start in range(0, len(unit), chunk):
        x, own = unit[start : start + chunk], labels[start : start + chunk]
        others = x @ centroids.T
        others[np.arange(len(x)), own] = -np.inf
        b = 1 - others.max(1)
        a = 1 - (x * unit_length(means[own] * sizes[own, None] - x)).sum(1)
        value = (b - a) / np.maximum(np.maximum(a, b), 1e-12)
        total += float(value[sizes[own] > 1].sum())
    return total / len(unit)
