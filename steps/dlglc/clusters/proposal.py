"""A number of clusters from the embeddings alone: the knee of the silhouette over K (steps/propose_num_clusters.py)."""

import numpy as np
import torch

from ..console import progress
from ..vectors import group_means, total_whitening, unit_length
from .kmeans import kmeans

STEPS_PER_DOUBLING = 3


def silhouette_curve(
    points: np.ndarray,
    smallest: int,
    largest: int,
    whiten: float,
    restarts: int,
    seed: int,
    device: str | torch.device = "cpu",
) -> list[tuple[int, float]]:
    """Mean silhouette of k-means at each K of a geometric grid.

    Args:
        points: (N, D) embeddings.
        smallest, largest: ends of the grid.
        whiten, restarts: as in conf/cluster.yaml.
        seed: of the starting points.

    Returns:
        (K, silhouette) pairs, K rising.
    """
    unit = unit_length(points - points.mean(0))
    unit = unit_length(unit @ total_whitening(unit, whiten)).astype(np.float32)
    steps = round(np.log2(largest / smallest) * STEPS_PER_DOUBLING)
    grid = np.unique(np.geomspace(smallest, largest, steps + 1).round().astype(int)).tolist()
    curve = []
    for k in progress(grid, len(grid), "numbers"):
        found = kmeans(unit, k, restarts=restarts, seed=seed, device=device)
        curve.append((k, round(silhouette(unit, found.labels), 5)))
        print(f"{k:8d} clusters: silhouette {curve[-1][1]:.4f}")
    return curve


def knee(curve: list[tuple[int, float]]) -> int:
    """The K whose value is farthest above the straight line, over log K, from the first point to the last."""
    numbers, values = np.log([k for k, _ in curve]), np.array([value for _, value in curve])
    line = np.interp(numbers, numbers[[0, -1]], values[[0, -1]])
    return int(curve[int((values - line).argmax())][0])


def silhouette(unit: np.ndarray, labels: np.ndarray, chunk: int = 8192) -> float:
    """Mean of (b - a) / max(a, b) over (N, D) unit vectors, 0 for a cluster's only member.

    a is the cosine distance to the own cluster's centroid without the vector itself, b that to the nearest other one
    (Vendramin, Campello and Hruschka, 2010, with the vector left out, which K near N would otherwise profit from).
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
