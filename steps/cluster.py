#!/usr/bin/env python3
"""Pseudo labels: k-means clusters of the training embeddings.

Reads   EMBEDDING_SCP.
Writes  OUT_DIR/{utt2cluster (`utt cluster`, clusters 0 to K-1), centroids.ark, centroids.scp, cluster.json}. The
        centroids are in the space that was clustered: less the mean of EMBEDDING_SCP where subtract_mean is on.

Example
    steps/cluster.py exp/mini/dino/train/embedding.scp exp/mini/dino/clusters --num-clusters 100
"""

import json
from pathlib import Path

import numpy as np

from dlglc import console
from dlglc.clusters.kmeans import Clustering
from dlglc.clusters.search import cluster_embeddings, size_warnings
from dlglc.console import log
from dlglc.data.arks import read_embeddings, write_embeddings
from dlglc.data.tables import write_table
from dlglc.errors import RecipeError
from dlglc.files import write_text
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import ClusterSettings
from dlglc.training.distributed import Processes


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "cluster")
    parser.add_argument("--num-clusters", type=int, metavar="K", help="instead of the configuration's num_clusters")
    parser.add_argument("--seed", type=int, default=0, help="of the starting points (default: 0)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu or cuda (default: auto)")
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    if args.num_clusters is not None:
        args.set.append(f"num_clusters={args.num_clusters}")
    settings = settings_of(ClusterSettings, args)
    ids, points = read_embeddings(args.embedding_scp)
    most = max(settings.num_clusters, settings.ahc_from)
    if most > len(ids):
        raise RecipeError(
            f"{args.embedding_scp}: {most} clusters of {len(ids)} utterances: choose --num-clusters (and ahc_from) "
            f"between 2 and {len(ids)}, about as many as you expect speakers"
        )
    found = cluster_embeddings(points, settings, args.seed, Processes(args.device).device)
    sizes = np.bincount(found.labels)
    log.info(
        "%d clusters of %d utterances: objective %.4f after %d iterations, sizes %d to %d, %d empty ones repaired",
        len(sizes), len(ids), found.objective, found.iterations, sizes.min(), sizes.max(), found.repaired,
    )  # fmt: skip
    for warning in size_warnings(sizes, settings.num_clusters):
        if settings.stop_on_bad_sizes:
            raise RecipeError(f"{args.embedding_scp}: {warning}; stop_on_bad_sizes: false goes on all the same")
        log.info("clusters: %s", warning)
    write_clusters(args.out_dir, ids, found, sizes, args.seed)


def write_clusters(out_dir: Path, ids: list[str], found: Clustering, sizes: np.ndarray, seed: int) -> None:
    """Write centroids, summary and, last, the labels."""
    out_dir.mkdir(parents=True, exist_ok=True)
    write_embeddings(out_dir, [f"{c:06d}" for c in range(len(found.centroids))], found.centroids, "centroids")
    summary = {
        "num_clusters": len(sizes),
        "objective": found.objective,
        "iterations": found.iterations,
        "repaired": found.repaired,
        "smallest": int(sizes.min()),
        "median": float(np.median(sizes)),
        "largest": int(sizes.max()),
        "seed": seed,
    }
    write_text(out_dir / "cluster.json", json.dumps(summary) + "\n")
    write_table(out_dir / "utt2cluster", dict(zip(ids, found.labels.tolist())))


if __name__ == "__main__":
    console.run(main)
