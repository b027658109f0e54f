#!/usr/bin/env python3
"""Agreement of clusters with the true speakers, as one JSON object. For reports only: no training uses it.

Reads   UTT2CLUSTER, TRUTH (a utt2spk.truth). Utterances without a true speaker are left out.
Writes  the object to the terminal, and to OUT_JSON if it is given. Its keys:
            nmi           normalised mutual information (arithmetic mean)
            ari           adjusted Rand index
            purity        share of utterances whose speaker is the most frequent one of their cluster
            accuracy      share of utterances in the best one-to-one matching of clusters and speakers
            num_clusters, num_speakers, num_utterances
            singletons    number of clusters with one utterance

Example
    steps/cluster_quality.py exp/mini/dino/clusters/utt2cluster data/mini/train/utt2spk.truth
"""

import json
from pathlib import Path

from dlglc import console
from dlglc.data.tables import read_table
from dlglc.errors import RecipeError
from dlglc.files import write_text
from dlglc.reports.quality import cluster_quality


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("utt2cluster", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("out_json", type=Path, nargs="?")
    args = parser.parse_args()

    clusters, truth = read_table(args.utt2cluster), read_table(args.truth)
    known = [utt for utt in clusters if utt in truth]
    if not known:
        raise RecipeError(f"{args.truth}: has no utterance of {args.utt2cluster}: give the file of the same corpus")
    text = json.dumps(cluster_quality([clusters[utt] for utt in known], [truth[utt] for utt in known]))
    print(text)
    if args.out_json:
        write_text(args.out_json, text + "\n")


if __name__ == "__main__":
    console.run(main)
