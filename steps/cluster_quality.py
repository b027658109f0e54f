#!/usr/bin/env python3
"""For reporting only: how well clusters agree with the true speakers, as one JSON object.

Reads   UTT2CLUSTER, TRUTH (a utt2spk.truth; utterances without a true speaker are left out).
Writes  the object to the terminal, and to OUT_JSON where one is named: nmi (arithmetic), ari, purity (share of
        utterances whose cluster's commonest speaker is theirs), accuracy (after the best one-to-one matching),
        and the numbers of clusters, of speakers, of utterances, and of clusters with a single utterance (singletons).

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
        raise RecipeError(f"{args.truth}: not one utterance of {args.utt2cluster} in it: is it of another corpus?")
    text = json.dumps(cluster_quality([clusters[utt] for utt in known], [truth[utt] for utt in known]))
    print(text)
    if args.out_json:
        write_text(args.out_json, text + "\n")


if __name__ == "__main__":
    console.run(main)
