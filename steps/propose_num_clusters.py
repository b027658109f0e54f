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

from dlglc import console
from dlglc.clusters.proposal import knee, silhouette_curve
from dlglc.data.arks import read_embeddings
from dlglc.errors import RecipeError
from dlglc.files import write_text
from dlglc.training.distributed import Processes


def main() -> None:
    parser = console.parser(__doc__)
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
    device = Processes(args.device).device
    curve = silhouette_curve(points, args.smallest, largest, args.whiten, args.restarts, args.seed, device)
    proposal = knee(curve)
    write_text(args.out_json, json.dumps({"num_clusters": proposal, "curve": curve}) + "\n")
    print(f"proposal: {proposal}")


if __name__ == "__main__":
    console.run(main)
