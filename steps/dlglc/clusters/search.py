"""Pseudo labels from embeddings: the space that is clustered, the search, and what the sizes of clusters tell."""

import functools

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage

from ..settings.schema import ClusterSettings
from ..vectors import group_means, total_whitening, unit_length, within_class_whitening
from .kmeans import Clustering, kmeans


def cluster_embeddings(
    points: np.ndarray, settings: ClusterSettings, seed: int, device: str | torch.device = "cpu"
) -> Clustering:
    """Cluster embeddings as conf/cluster.yaml says.

    The mean is subtracted, the space is whitened, k-means searches; then, wccn_passes times, the space is whitened by
    the covariance within the clusters found so far and searched again. With ahc_from, k-means finds that many centroids
    and average linkage merges them.

    Args:
        points: (N, D) embeddings, N at least ahc_from and num_clusters.
        seed: of the starting points.
        device: where distances are computed.

    Returns:
        the clustering; its centroids are in the space that was clustered.
    """
    if settings.subtract_mean:
        points = points - points.mean(0)
    starts = settings.ahc_from or settings.num_clusters
    search = functools.partial(
        kmeans,
        num_clusters=starts,
        spherical=settings.spherical,
        init=settings.init,
        restarts=settings.restarts,
        max_iter=settings.max_iter,
        tolerance=settings.tolerance,
        seed=seed,
        device=device,
    )
    unit = unit_length(points)
    if settings.whiten:
        points = unit @ total_whitening(unit, settings.whiten)
    found = search(points)
    for _ in range(settings.wccn_passes):
        points = unit @ within_class_whitening(unit, found.labels)
        found = search(points)
    if starts > settings.num_clusters:
        labels = merge(found.centroids, settings.num_clusters)[found.labels]
        found.labels, found.centroids, found.objective = describe(points, labels, settings.spherical)
    return found


def size_warnings(sizes: np.ndarray, wanted: int) -> list[str]:
    """What is doubtful about the sizes of clusters, and what to do; nothing where they are fine.

    On speechocean762 medians are 12 with 200 clusters of 125 speakers and 3 with 600; the largest cluster has 4 times
    the mean, with embeddings of a collapsed DINO 5 times, of an untrained encoder on mini 10 times.

    Args:
        sizes: (K',) utterances of each cluster that has any.
        wanted: the number of clusters that was asked for.
    """
    found = []
    if len(sizes) < wanted:
        found.append(
            f"{wanted - len(sizes)} of {wanted} stayed empty: that many embeddings are equal. Look for copies of "
            "recordings, and at DINO's log for signs of collapse"
        )
    if np.median(sizes) < 4:
        found.append(
            f"their median size is {np.median(sizes):.0f}, too few utterances to learn a class from: num_clusters "
            f"{wanted} is too large (steps/propose_num_clusters.py proposes one)"
        )
    if sizes.max() > 20 * sizes.mean():
        found.append(
            f"one of them holds {sizes.max()} of {sizes.sum()} utterances, {sizes.max() / sizes.mean():.0f} times the "
            "mean: its embeddings are nearly alike, by channel or silence perhaps. Listen to it; whiten: 0.25 may help"
        )
    return found


def merge(centroids: np.ndarray, clusters: int) -> np.ndarray:
    """Cluster of each centroid: agglomerative, average linkage on cosine distances; fewer only where distances tie."""
    return fcluster(linkage(centroids.astype(np.float64), "average", "cosine"), clusters, "maxclust") - 1


def describe(points: np.ndarray, labels: np.ndarray, spherical: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Labels 0 to K-1, centroids and objective of a finished partition, as clusters/kmeans.py defines them."""
    labels = np.unique(labels, return_inverse=True)[1]
    points = unit_length(points) if spherical else points
    centroids, _ = group_means(points, np.arange(len(points)), labels)
    if spherical:
        centroids = unit_length(centroids)
        return labels, centroids, float(np.einsum("nd,nd->n", points, centroids[labels]).mean(dtype=np.float64))
    return labels, centroids, float(((points - centroids[labels]) ** 2).sum(1).mean(dtype=np.float64))
