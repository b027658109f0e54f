#!/usr/bin/env python3
"""Assess pseudo labels without true speakers, and list utterances to listen to.

    num_clusters, smallest, median, largest, singletons
                        number of clusters, sizes of clusters, number of clusters with one utterance
    seed_agreement      adjusted Rand index with the clusters of another seed: 1 = the same clusters, 0 = chance. A low
                        value says that K or the space is wrong. A high value says that the clusters are stable; they
                        can still be wrong.
    round_agreement     adjusted Rand index with the labels that the system was trained on (--before)
    silhouette          how much nearer utterances are to their own cluster than to the next one, -1 to 1
    same_recording_eer  EER of telling pairs of one recording from pairs of different recordings by cosine, in percent.
                        This is only a rough substitute for speaker verification: pairs of one recording have the same
                        channel as well as the same speaker.

Reads   EMBEDDING_SCP, CLUSTER_DIR/utt2cluster; with --data, DATA_DIR/utt2sess or DATA_DIR/utt2reco
Writes  CLUSTER_DIR/unlabelled.json, these figures
        CLUSTER_DIR/listen.txt, `cluster utterance place` lines, where place is central, middle or farthest

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
    parser.add_argument("--seed", type=int, default=0, help="seed of the clusters (default: 0)")
    console.add_device_option(parser)
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("cluster_dir", type=Path)
    args = parser.parse_args()

    settings = settings_of(ClusterSettings, args)
    device = Processes(args.device).device
    found = assess(args.embedding_scp, args.cluster_dir, settings, args.seed, device, args.data, args.before)
    log.info("%s", ", ".join(f"{key} {value}" for key, value in found.items()))


if __name__ == "__main__":
    console.run(main)
