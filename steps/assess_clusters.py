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

import json
from pathlib import Path

import numpy as np

from dlglc import console
from dlglc.clusters.assessment import agreement, describe_sizes, mean_silhouette, same_recording_eer, to_listen
from dlglc.clusters.search import cluster_embeddings
from dlglc.console import log
from dlglc.data.arks import read_embeddings
from dlglc.data.tables import read_table
from dlglc.errors import RecipeError
from dlglc.files import write_lines, write_text
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
    ids, points = read_embeddings(args.embedding_scp)
    labels = labels_of(args.cluster_dir / "utt2cluster", ids)
    found = describe_sizes(labels)
    again = settings.model_copy(update={"num_clusters": found["num_clusters"], "ahc_from": 0})
    other = cluster_embeddings(points, again, args.seed + 1, Processes(args.device).device)
    found["seed_agreement"] = agreement(labels, other.labels)
    if args.before:
        found["round_agreement"] = agreement(labels, labels_of(args.before, ids))
    found["silhouette"] = mean_silhouette(points, labels)
    sessions = sessions_of(args.data, ids) if args.data else None
    if sessions:
        found |= same_recording_eer(points, sessions, args.seed)
    listen = (f"{cluster} {ids[row]} {place}" for cluster, row, place in to_listen(points, labels))
    write_lines(args.cluster_dir / "listen.txt", listen)
    write_text(args.cluster_dir / "unlabelled.json", json.dumps(found) + "\n")
    log.info("%s", ", ".join(f"{key} {value}" for key, value in found.items()))


def labels_of(path: Path, ids: list[str]) -> np.ndarray:
    """Clusters of the utterances, in their order."""
    table = read_table(path)
    missing = next((utt for utt in ids if utt not in table), None)
    if missing is not None:
        raise RecipeError(f"{path}: no cluster for '{missing}': cluster these embeddings again")
    return np.array([table[utt] for utt in ids])


def sessions_of(data_dir: Path, ids: list[str]) -> list[str] | None:
    """Session, or else recording, of the utterances; None where nothing is known of either."""
    for name in ("utt2sess", "utt2reco"):
        if (data_dir / name).exists():
            table = read_table(data_dir / name)
            return [table.get(utt, utt) for utt in ids]
    return None


if __name__ == "__main__":
    console.run(main)
