#!/usr/bin/env python3
"""Propose a number of clusters from the embeddings alone, for a corpus with an unknown number of speakers.

The script clusters with each K of a geometric grid and computes the mean silhouette. The silhouette of an utterance
says how much nearer the utterance is to its own cluster than to the next one. Here it is simplified: distances are to
centroids, and the own centroid is computed without the utterance.

The maximum of the curve often lies at a few large groups (rooms, female and male voices). When K is so large that
speakers are split, the curve falls and does not rise again. The proposal is this knee: the point of the curve that is
farthest above the straight line between its ends, over log K (Satopää, Albrecht, Irwin and Raghavan, ICDCS workshops
2011). docs/experiments.md has measurements.

Reads   EMBEDDING_SCP.
Writes  OUT_JSON: num_clusters (the proposal), and curve, a list of [K, silhouette] pairs. Both also go to the terminal.

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
    parser.add_argument("--smallest", type=int, default=10, metavar="K", help="first K of the grid (default: 10)")
    parser.add_argument("--largest", type=int, metavar="K", help="last K (default: a quarter of the utterances)")
    parser.add_argument("--whiten", type=float, default=0.25, help="as in conf/cluster.yaml (default: 0.25)")
    parser.add_argument("--restarts", type=int, default=2, help="of k-means at each K (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="of the starting points (default: 0)")
    console.add_device_option(parser)
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("out_json", type=Path)
    args = parser.parse_args()

    ids, points = read_embeddings(args.embedding_scp)
    largest = args.largest or len(ids) // 4
    if not 2 <= args.smallest < largest <= len(ids) // 2:
        raise RecipeError(
            f"{args.embedding_scp}: {len(ids)} utterances, K from {args.smallest} to {largest}: --smallest must be 2 "
            f"or more, --largest above it and at most {len(ids) // 2} (two utterances per cluster)"
        )
    device = Processes(args.device).device
    curve = silhouette_curve(points, args.smallest, largest, args.whiten, args.restarts, args.seed, device)
    proposal = knee(curve)
    write_text(args.out_json, json.dumps({"num_clusters": proposal, "curve": curve}) + "\n")
    print(f"proposal: {proposal}")


if __name__ == "__main__":
    console.run(main)
