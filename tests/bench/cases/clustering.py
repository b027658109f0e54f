"""Cases about clusters and their labels: k-means, and the mixture of log-losses that the gate fits."""

from collections.abc import Callable
from typing import Any

import numpy as np
from measure import THREADS, Peer, compare
from peers import peer_module
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.mixture import GaussianMixture

from dlglc.clusters.kmeans import kmeans
from dlglc.rounds.mixture import fit_mixture

Runs = dict[str, Callable[[], float]]


def mixture() -> None:
    """Two Gaussians on 1.09 M log-losses"""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(-2, 1, 800_000), rng.normal(2, 0.8, 292_009)]).astype(np.float32)
    exact = GaussianMixture(2, tol=1e-8, random_state=0).fit(x[:, None].astype(np.float64))
    difference = np.abs(fit_mixture(x).means - np.sort(exact.means_.ravel())).max()

    def sklearn() -> None:
        GaussianMixture(2, random_state=0).fit(x[:, None])

    peers = {f"scikit-learn GaussianMixture; same means to {difference:.0e}": Peer(sklearn, goal=50)}
    compare("mixture of 1,092,009 log-losses", lambda: fit_mixture(x), peers)


def clusters() -> None:
    """k-means of 100k x 192, K = 1000, 6 assignments from the same start"""
    rng = np.random.default_rng(0)
    x = speaker_like(100_000, 3000, rng)
    start = x[np.sort(rng.choice(len(x), 1000, replace=False))]
    faiss = peer_module("faiss")

    def ours() -> float:
        return kmeans(x, 1000, spherical=False, init=start, max_iter=6, tolerance=0.0).objective

    def product() -> None:
        for first in range(0, len(x), 1024):
            x[first : first + 1024] @ start.T

    runs = scikit_learn_runs(x, start)
    if faiss:
        runs["faiss-cpu"] = faiss_run(faiss, x, start)
    peers = {}
    for name, goal in (("faiss-cpu", 1), ("scikit-learn Lloyd", 1), ("scikit-learn MiniBatch", None)):
        reached = runs[name]() if name in runs else float("nan")
        peers[f"{name}, objective {reached:.3f}"] = Peer(runs.get(name), goal=goal)
    peers["its six matrix products alone (goal: 80 %)"] = Peer(product, goal=0.8, factor=6)
    compare(f"k-means 100k × 192, K = 1000, 6 assignments, objective {ours():.3f}", ours, peers)


def scikit_learn_runs(x: np.ndarray, start: np.ndarray) -> Runs:
    """scikit-learn's two algorithms from the given centroids: functions that return the mean squared distance."""
    k = len(start)

    def lloyd() -> float:
        # Five updates and then the labels of the last centroids make six assignments.
        model = KMeans(k, init=start, n_init=1, max_iter=5, tol=0.0, algorithm="lloyd").fit(x)
        return model.inertia_ / len(x)

    def batches() -> float:
        model = MiniBatchKMeans(k, init=start, n_init=1, max_iter=6, batch_size=10_000, tol=0.0).fit(x)
        return model.inertia_ / len(x)

    return {"scikit-learn Lloyd": lloyd, "scikit-learn MiniBatch": batches}


def faiss_run(faiss: Any, x: np.ndarray, start: np.ndarray) -> Callable[[], float]:
    """k-means of faiss from the given centroids: a function that returns the mean squared distance."""

    def run() -> float:
        faiss.omp_set_num_threads(THREADS)
        model = faiss.Kmeans(x.shape[1], len(start), niter=5, max_points_per_centroid=10**6)
        model.train(x, init_centroids=start)
        squares, _ = model.index.search(x, 1)
        return float(squares.mean())

    return run


def speaker_like(count: int, speakers: int, rng: np.random.Generator) -> np.ndarray:
    """Vectors around the centres of speakers, whose spread falls from the first dimension to the last.

    Returns:
        (count, 192) float32.
    """
    scale = np.linspace(2, 0.2, 192, dtype=np.float32)
    centres = rng.standard_normal((speakers, 192), dtype=np.float32) * scale
    return centres[rng.integers(speakers, size=count)] + rng.standard_normal((count, 192), dtype=np.float32) * scale


def clusters_full() -> None:
    """k-means of 1.09 M x 192, K = 7,500, 2 assignments: peak memory"""
    x = speaker_like(1_092_009, 5994, np.random.default_rng(0))

    def product() -> None:
        for first in range(0, 16_384, 1024):
            x[first : first + 1024] @ x[:7500].T

    def ours() -> None:
        kmeans(x, 7500, init="random", max_iter=2, tolerance=0.0)

    peers = {"its matrix products alone (goal: 80 %)": Peer(product, goal=0.8, factor=2 * len(x) / 16_384)}
    compare("k-means 1,092,009 × 192, K = 7,500, 2 assignments", ours, peers, 1)
