"""Embeddings as vectors: lengths, means of groups, and the whitening of their space, learned without labels."""

import numpy as np


def unit_length(x: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
    """Rows of (N, D) less `mean`, at length 1."""
    if mean is not None:
        x = x - mean
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def group_means(x: np.ndarray, rows: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean vector of each group.

    Args:
        x: (N, D).
        rows, groups: (M,) row x[rows[i]] belongs to group groups[i], 0 to G-1, none of them empty.

    Returns:
        (G, D) means and (G,) sizes.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    return np.add.reduceat(x[rows[order]], starts, axis=0) / sizes[:, None].astype(x.dtype), sizes


def total_whitening(points: np.ndarray, power: float) -> np.ndarray:
    """Divide each principal direction of (N, D) points by its variance to `power`.

    0 changes nothing. 0.5 makes all directions equal, noise included; a cosine after it is the one in the Mahalanobis
    metric. Between the two the few directions that carry most of the variance, of unlabelled speech often the channel,
    lose their weight and the small ones do not take over.

    Returns:
        (D, D) float32 matrix, applied as points @ matrix; directions without variance become 0.
    """
    return _power(np.cov(points.T.astype(np.float64)), -power)


def within_class_whitening(points: np.ndarray, labels: np.ndarray, shrinkage: float = 0.05) -> np.ndarray:
    """Within-class covariance normalisation (Hatch, Kajarekar, Stolcke, Interspeech 2006) with clusters as classes.

    Args:
        points: (N, D).
        labels: (N,) clusters 0 to K-1, none of them empty. Those of one member tell nothing and change nothing.
        shrinkage: share of the mean variance that is added to every direction; holds where members are few.

    Returns:
        (D, D) float32 matrix, applied as points @ matrix.
    """
    means, sizes = group_means(points, np.arange(len(points)), labels)
    apart = (points - means[labels]).astype(np.float64)
    within = apart.T @ apart / max(len(points) - len(sizes), 1)
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    return _power(within, -0.5)


def _power(covariance: np.ndarray, power: float) -> np.ndarray:
    """A power of a symmetric matrix on the directions that have variance."""
    variances, directions = np.linalg.eigh(covariance)
    kept = variances > 1e-6 * max(variances[-1], 1e-12)
    directions = directions[:, kept]
    return (directions * variances[kept] ** power @ directions.T).astype(np.float32)
