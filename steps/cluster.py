#!/usr/bin/env python3
"""Pseudo labels: k-means clusters of the training embeddings.

Reads   EMBEDDING_SCP.
Writes  OUT_DIR/{utt2cluster, centroids.ark, centroids.scp, cluster.json}. utt2cluster has `utterance cluster` lines
        with clusters 0 to K-1. The centroids lie in the space that was clustered. With subtract_mean this space has
        the mean of EMBEDDING_SCP as its origin.

Example
    steps/cluster.py exp/mini/dino/train/embedding.scp exp/mini/dino/clusters --num-clusters 100
"""

from pathlib import Path

from dlglc import console
from dlglc.clusters.pseudo_labels import make_pseudo_labels
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import ClusterSettings


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "cluster")
    parser.add_argument("--num-clusters", type=int, metavar="K", help="instead of the setting num_clusters")
    parser.add_argument("--seed", type=int, default=0, help="of the starting points (default: 0)")
    console.add_device_option(parser)
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    if args.num_clusters is not None:
        args.set.append(f"num_clusters={args.num_clusters}")
    settings = settings_of(ClusterSettings, args)
    make_pseudo_labels(args.embedding_scp, args.out_dir, settings, args.seed, args.device)


if __name__ == "__main__":
    console.run(main)
