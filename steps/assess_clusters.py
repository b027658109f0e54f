#!/usr/bin/env python3
"""What can be known of pseudo labels without a label, and utterances to listen to.

    sizes               clusters, smallest, median, largest, how many have one utterance
    seed_agreement      adjusted Rand index with clusters of another seed: 1 the same, 0 chance. A low one says that K
                        or the space is not right; a high one says that they are stable, which is not yet right
    round_agreement     the same with the labels that the system was trained on (--before)
    silhouette          how much nearer utterances are to their own cluster than to the next one, -1 to 1
    same_recording_eer  telling pairs of one recording from pairs of others, by cosine. A stand-in: pairs of one
                        recording share the channel as well as the speaker

Reads   EMBEDDING_SCP, CLUSTER_DIR/utt2cluster; with --data DATA_DIR/{utt2sess, utt2reco, recordings}
Writes  CLUSTER_DIR/unlabelled.json, CLUSTER_DIR/listen.txt (`cluster utterance place`)

Example
    steps/assess_clusters.py --data data/folder/train exp/folder/dino/train/embedding.scp exp/folder/dino/clusters
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.reports.assessment import assess
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import ClusterSettings
from dlglc.training.distributed import Processes


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "cluster")
    parser.add_argument("--data", type=Path, metavar="DATA_DIR", help="data directory, for recordings and sessions")
    parser.add_argument("--before", type=Path, metavar="UTT2CLUSTER", help="labels that the system was trained on")
    parser.add_argument("--seed", type=int, default=0, help="that the clusters were made with (default: 0)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu or cuda (default: auto)")
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("cluster_dir", type=Path)
    args = parser.parse_args()

    settings = settings_of(ClusterSettings, args)
    device = Processes(args.device).device
    found = assess(args.embedding_scp, args.cluster_dir, settings, args.seed, device, args.data, args.before)
    log.info("%s", ", ".join(f"{key} {value}" for key, value in found.items()))


if __name__ == "__main__":
    console.run(main)
