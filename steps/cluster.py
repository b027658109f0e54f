#!/usr/bin/env python3
"""Pseudo labels: k-means clusters of the training embeddings.

Reads   EMBEDDING_SCP.
Writes  OUT_DIR/{utt2cluster (`utt cluster`, clusters 0 to K-1), centroids.ark, centroids.scp, cluster.json}. The
        centroids are in the space that was clustered: less the mean of EMBEDDING_SCP where subtract_mean is on.

Example
    steps/cluster.py exp/mini/dino/train/embedding.scp exp/mini/dino/clusters --num-clusters 100
"""

import functools
import json
from pathlib import Path

import numpy as np
from libs import cli
from libs.archive import read_embeddings, write_embeddings
from libs.backend import group_means, unit_length
from libs.cli import RecipeError, log
from libs.config import add_config_options, load_config
from libs.datadir import read_table, write_table, write_text
from libs.kmeans import kmeans
from libs.training import Processes
from libs.whitening import total_whitening, within_class_whitening
from scipy.cluster.hierarchy import fcluster, linkage


def main():
    parser = cli.parser(__doc__)
    add_config_options(parser, "cluster")
    parser.add_argument("--num-clusters", type=int, metavar="K", help="instead of the configuration's num_clusters")
    parser.add_argument("--seed", type=int, default=0, help="of the starting points (default: 0)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu or cuda (default: auto)")
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    config = load_config("cluster", args.config, args.set)
    clusters = config["num_clusters"] if args.num_clusters is None else args.num_clusters
    starts = config["ahc_from"] or clusters
    available = len(read_table(args.embedding_scp))
    if starts < clusters:
        raise RecipeError(f"ahc_from: {starts} centroids cannot be merged to {clusters} clusters: raise it, or set 0")
    if not 2 <= clusters <= starts <= available:
        raise RecipeError(
            f"{args.embedding_scp}: {starts} clusters of {available} utterances: choose --num-clusters (and ahc_from) "
            f"between 2 and {available}, about as many as you expect speakers"
        )
    ids, points = read_embeddings(args.embedding_scp)
    if config["subtract_mean"]:
        points = points - points.mean(0)
    search = functools.partial(
        kmeans,
        num_clusters=starts,
        **{k: config[k] for k in ("spherical", "init", "restarts", "max_iter", "tolerance", "backend")},
        seed=args.seed,
        device=Processes(args.device).device,
    )
    unit = unit_length(points)
    if config["whiten"]:
        points = unit @ total_whitening(unit, config["whiten"])
    found = search(points)
    for _ in range(config["wccn_passes"]):
        points = unit @ within_class_whitening(unit, found.labels)
        found = search(points)
    labels, centroids, objective = found.labels, found.centroids, found.objective
    if starts > clusters:
        labels = merge(centroids, clusters)[labels]
        labels, centroids, objective = describe(points, labels, config["spherical"])
    sizes = np.bincount(labels)
    log.info(
        "%d clusters of %d utterances: objective %.4f after %d iterations, sizes %d to %d, %d empty ones repaired",
        len(sizes), len(ids), objective, found.iterations, sizes.min(), sizes.max(), found.repaired,
    )  # fmt: skip
    for suspicion in suspicions(sizes, clusters):
        if config["stop_on_bad_sizes"]:
            raise RecipeError(f"{args.embedding_scp}: {suspicion}; stop_on_bad_sizes: false goes on nevertheless")
        log.info("clusters: %s", suspicion)
    args.out_dir.mkdir(parents=True, exist_ok=True)
    write_embeddings(args.out_dir, [f"{c:06d}" for c in range(len(centroids))], centroids, "centroids")
    summary = {
        "num_clusters": len(sizes),
        "objective": objective,
        "iterations": found.iterations,
        "repaired": found.repaired,
        "smallest": int(sizes.min()),
        "median": float(np.median(sizes)),
        "largest": int(sizes.max()),
        "seed": args.seed,
    }
    write_text(args.out_dir / "cluster.json", json.dumps(summary) + "\n")
    write_table(args.out_dir / "utt2cluster", dict(zip(ids, labels.tolist())))


def suspicions(sizes: np.ndarray, wanted: int) -> list[str]:
    """What the sizes of clusters hold against them, and what to do; nothing where they are well.

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
            "mean: the embeddings lie together, or a channel or silence rules them. Listen to it; whiten: 0.25 may help"
        )
    return found


def merge(centroids: np.ndarray, clusters: int) -> np.ndarray:
    """Cluster of each centroid: agglomerative, average linkage on cosine distances; fewer only where distances tie."""
    return fcluster(linkage(centroids.astype(np.float64), "average", "cosine"), clusters, "maxclust") - 1


def describe(points: np.ndarray, labels: np.ndarray, spherical: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Labels 0 to K-1, centroids and objective of a finished partition, as libs/kmeans.py defines them."""
    labels = np.unique(labels, return_inverse=True)[1]
    points = unit_length(points) if spherical else points
    centroids, _ = group_means(points, np.arange(len(points)), labels)
    if spherical:
        centroids = unit_length(centroids)
        return labels, centroids, float(np.einsum("nd,nd->n", points, centroids[labels]).mean(dtype=np.float64))
    return labels, centroids, float(((points - centroids[labels]) ** 2).sum(1).mean(dtype=np.float64))


if __name__ == "__main__":
    cli.run(main)
