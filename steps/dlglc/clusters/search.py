"""Clusters of embeddings: the space that is clustered, and the search."""

import functools

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage

from ..arrays import Array
from ..settings.schema import ClusterSettings
from ..vectors import group_means, total_whitening, unit_length, within_class_whitening
from .kmeans import Clustering, kmeans

MOST_MERGED = 20_000  # centroids of ahc_share; merging them takes 2 GB


def cluster_embeddings(
    points: Array, settings: ClusterSettings, seed: int, device: str | torch.device = "cpu"
) -> Clustering:
    """Cluster embeddings as conf/cluster.yaml says.

    First the mean is subtracted, and the space is whitened. Then k-means searches. With wccn_passes, the space is
    whitened by the covariance within the clusters found so far, and k-means searches again. With ahc_from,
    ahc_share or ahc_ratio, k-means finds more centroids, and average linkage merges them.

    Args:
        points: (N, D) embeddings. N is at least ahc_from and num_clusters.
        settings: of conf/cluster.yaml.
        seed: of the starting points.
        device: where the distances are computed.

    Returns:
        The clustering. Its centroids lie in the space that was clustered.
    """
    starts = count_starts(settings, len(points))
    points, found = find_centroids(points, settings, starts, seed, device)
    if starts > settings.num_clusters:
        labels = merge(found.centroids, settings.num_clusters)[found.labels]
        found.labels, found.centroids, found.objective = summarise_partition(points, labels, settings.spherical)
    return found


def find_centroids(
    points: Array, settings: ClusterSettings, starts: int, seed: int, device: str | torch.device
) -> tuple[Array, Clustering]:
    """Find centroids by k-means, before any of them are merged.

    Args:
        points, settings, seed, device: see cluster_embeddings.
        starts: number of centroids.

    Returns:
        The embeddings in the space that was searched, and the clustering.
    """
    if settings.subtract_mean:
        points = points - points.mean(0)
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
    return points, found


def count_starts(settings: ClusterSettings, utterances: int) -> int:
    """The number of centroids that k-means finds. If there are more than num_clusters, they are merged."""
    share = min(MOST_MERGED, round(settings.ahc_share * utterances))
    multiple = min(utterances, round(settings.ahc_ratio * settings.num_clusters))
    return settings.ahc_from or max(share, multiple, settings.num_clusters)


def merge(centroids: Array, clusters: int) -> Array:
    """Merge centroids by agglomerative clustering (average linkage of cosine distances).

    Args:
        centroids: (N, D).
        clusters: number of clusters to make. Tied distances can make fewer.

    Returns:
        (N,) cluster of each centroid.
    """
    return cut(merging_tree(centroids), clusters)


def merging_tree(centroids: Array) -> Array:
    """The order in which centroids (N, D) are merged, as scipy's linkage gives it."""
    tree: Array = linkage(centroids.astype(np.float64), "average", "cosine")
    return tree


def cut(tree: Array, clusters: int) -> Array:
    """(N,) cluster of each centroid, 0 to `clusters` - 1, when that many clusters are left."""
    return fcluster(tree, clusters, "maxclust") - 1


def summarise_partition(points: Array, labels: Array, spherical: bool) -> tuple[Array, Array, float]:
    """Labels 0 to K-1, centroids and objective of a given partition, as clusters/kmeans.py defines them."""
    labels = np.unique(labels, return_inverse=True)[1]
    points = unit_length(points) if spherical else points
    centroids, _ = group_means(points, np.arange(len(points)), labels)
    if spherical:
        centroids = unit_length(centroids)
        return labels, centroids, float(np.einsum("nd,nd->n", points, centroids[labels]).mean(dtype=np.float64))
    return labels, centroids, float(((points - centroids[labels]) ** 2).sum(1).mean(dtype=np.float64))
