#!/usr/bin/env python3
"""Pseudo labels: k-means clusters of the training embeddings.

Reads   EMBEDDING_SCP.
Writes  OUT_DIR/{utt2cluster (`utt cluster`, clusters 0 to K-1), centroids.ark, centroids.scp, cluster.json}.

Example
    steps/cluster.py exp/mini/dino/train/embedding.scp exp/mini/dino/clusters --num-clusters 100
"""

import json
from pathlib import Path

import numpy as np
from libs import cli
from libs.archive import read_embeddings, write_embeddings
from libs.cli import RecipeError, log
from libs.config import add_config_options, load_config
from libs.datadir import write_table, write_text
from libs.kmeans import kmeans
from libs.training import Processes
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
    ids, points = read_embeddings(args.embedding_scp)
    starts = max(clusters, config["ahc_from"])
    if not 2 <= clusters <= starts <= len(ids):
        raise RecipeError(
            f"{args.embedding_scp}: {starts} clusters of {len(ids)} utterances: choose --num-clusters (and ahc_from) "
            f"between 2 and {len(ids)}, about as many as you expect speakers"
        )
    if config["subtract_mean"]:
        points = points - points.mean(0)
    found = kmeans(
        points,
        starts,
        **{k: config[k] for k in ("spherical", "init", "restarts", "max_iter", "tolerance")},
        seed=args.seed,
        device=Processes(args.device).device,
    )
    labels, centroids = found.labels, found.centroids
    if config["ahc_from"] > clusters:
        merged = fcluster(linkage(centroids, "average", "cosine"), clusters, "maxclust") - 1
        labels = merged[labels]
        centroids = np.stack([centroids[merged == c].mean(0) for c in range(merged.max() + 1)])
    sizes = np.bincount(labels)
    log.info(
        "%d clusters of %d utterances: objective %.4f after %d iterations, sizes %d to %d, %d empty ones repaired",
        len(sizes), len(ids), found.objective, found.iterations, sizes.min(), sizes.max(), found.repaired,
    )  # fmt: skip
    args.out_dir.mkdir(parents=True, exist_ok=True)
    write_embeddings(args.out_dir, [f"{c:06d}" for c in range(len(centroids))], centroids, "centroids")
    summary = {
        "num_clusters": len(sizes),
        "objective": found.objective,
        "iterations": found.iterations,
        "repaired": found.repaired,
        "smallest": int(sizes.min()),
        "median": float(np.median(sizes)),
        "largest": int(sizes.max()),
        "seed": args.seed,
    }
    write_text(args.out_dir / "cluster.json", json.dumps(summary) + "\n")
    write_table(args.out_dir / "utt2cluster", dict(zip(ids, labels.tolist())))


if __name__ == "__main__":
    cli.run(main)
