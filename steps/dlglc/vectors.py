"""Embeddings as vectors: unit length, means of groups, whitening without labels."""

import numpy as np

from .arrays import Array


def unit_length(x: Array, mean: Array | None = None) -> Array:
    """Subtract `mean` (D,) from the rows of x (N, D) and scale each row to length 1."""
    if mean is not None:
        x = x - mean
    unit: Array = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return unit


def group_means(x: Array, rows: Array, groups: Array) -> tuple[Array, Array]:
    """Mean vector of each group.

    Args:
        x: (N, D).
        rows, groups: (M,) int. Row x[rows[i]] belongs to group groups[i], 0 to G-1. No group is empty.

    Returns:
        (G, D) means and (G,) sizes.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    return np.add.reduceat(x[rows[order]], starts, axis=0) / sizes[:, None].astype(x.dtype), sizes


def total_whitening(points: Array, power: float) -> Array:
    """Divide each principal direction of the points by its variance to the power of `power`.

    With 0 nothing changes. With 0.5 all directions have the same variance, noise included; a cosine is then the cosine
    in the Mahalanobis metric. With a value in between, the few directions with most of the variance count less, and
    directions of noise do not dominate. In unlabelled speech the directions with most of the variance are often those
    of the channel.

    Args:
        points: (N, D).
        power: 0 to 0.5.

    Returns:
        (D, D) float32 matrix, applied as points @ matrix. Directions without variance become 0.
    """
    return _matrix_power(np.cov(points.T.astype(np.float64)), -power)


def within_class_whitening(points: Array, labels: Array, shrinkage: float = 0.05) -> Array:
    """Within-class covariance normalisation (Hatch, Kajarekar, Stolcke, Interspeech 2006) with clusters as classes.

    Args:
        points: (N, D).
        labels: (N,) clusters 0 to K-1. No cluster is empty. Clusters of one member have no effect.
        shrinkage: share of the mean variance that is added to every direction, for clusters with few members.

    Returns:
        (D, D) float32 matrix, applied as points @ matrix.
    """
    means, sizes = group_means(points, np.arange(len(points)), labels)
    deviations = (points - means[labels]).astype(np.float64)
    within = deviations.T @ deviations / max(len(points) - len(sizes), 1)
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    return _matrix_power(within, -0.5)


def _matrix_power(covariance: Array, power: float) -> Array:
    """A power of a symmetric matrix, on the directions that have variance only."""
    variances, directions = np.linalg.eigh(covariance)
    kept = variances > 1e-6 * max(variances[-1], 1e-12)
    directions = directions[:, kept]
    matrix: Array = (directions * variances[kept] ** power @ directions.T).astype(np.float32)
    return matrix
