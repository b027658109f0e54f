#!/usr/bin/env python3
"""Propose a number of clusters from the embeddings alone, where nobody knows how many speakers there are.

For each K of a geometric grid it clusters and takes the mean silhouette, in its simplified form with centroids: how
much nearer an utterance is to its own cluster, from whose centroid it is itself left out, than to the next one. Its
maximum often lies at a few large groups (rooms, sexes), but once speakers begin to be split it falls for good: the
proposal is that knee, the point of the curve farthest above the line between its ends, over log K (Satopää, Albrecht,
Irwin and Raghavan, ICDCS workshops 2011). docs/experiments.md has the evidence.

Reads   EMBEDDING_SCP.
Writes  OUT_JSON: proposal, and the curve as [K, silhouette] pairs; the same to the terminal.

Example
    steps/propose_num_clusters.py exp/mini/dino/train/embedding.scp exp/mini/dino/num_clusters.json
"""

import json
from pathlib import Path

import numpy as np
from libs import cli
from libs.archive import read_embeddings
from libs.backend import group_means, unit_length
from libs.cli import RecipeError
from libs.datadir import write_text
from libs.kmeans import kmeans
from libs.training import Processes
from libs.whitening import total_whitening

STEPS_PER_DOUBLING = 3


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--smallest", type=int, default=10, metavar="K", help="of the grid (default: 10)")
    parser.add_argument("--largest", type=int, metavar="K", help="of the grid (default: a quarter of the utterances)")
    parser.add_argument("--whiten", type=float, default=0.25, help="as in conf/cluster.yaml (default: 0.25)")
    parser.add_argument("--restarts", type=int, default=2, help="of k-means at each K (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the starting points (default: 0)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu or cuda (default: auto)")
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("out_json", type=Path)
    args = parser.parse_args()

    ids, points = read_embeddings(args.embedding_scp)
    largest = args.largest or len(ids) // 4
    if not 2 <= args.smallest < largest <= len(ids) // 2:
        raise RecipeError(
            f"{args.embedding_scp}: {len(ids)} utterances, K from {args.smallest} to {largest}: --smallest must be 2 "
            f"or more, --largest above it and at most {len(ids) // 2}, so that clusters have two members"
        )
    unit = unit_length(points - points.mean(0))
    unit = unit_length(unit @ total_whitening(unit, args.whiten)).astype(np.float32)
    steps = round(np.log2(largest / args.smallest) * STEPS_PER_DOUBLING)
    grid = np.unique(np.geomspace(args.smallest, largest, steps + 1).round().astype(int))
    device = Processes(args.device).device
    curve = []
    for k in cli.progress(grid.tolist(), len(grid), "numbers"):
        found = kmeans(unit, k, restarts=args.restarts, seed=args.seed, device=device)
        curve.append([k, round(silhouette(unit, found.labels), 5)])
        print(f"{k:8d} clusters: silhouette {curve[-1][1]:.4f}")
    proposal = knee(curve)
    write_text(args.out_json, json.dumps({"num_clusters": proposal, "curve": curve}) + "\n")
    print(f"proposal: {proposal}")


def knee(curve: list[list]) -> int:
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


if __name__ == "__main__":
    cli.run(main)
