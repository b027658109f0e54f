#!/usr/bin/env python3
"""For reporting only: how well clusters agree with the true speakers, as one JSON object.

Reads   UTT2CLUSTER, TRUTH (a utt2spk.truth; utterances without a true speaker are left out).
Writes  the object to the terminal, and to OUT_JSON where one is named: nmi (arithmetic), ari, purity (share of
        utterances whose cluster's commonest speaker is theirs), accuracy (after the best one-to-one matching).

Example
    steps/cluster_quality.py exp/mini/dino/clusters/utt2cluster data/mini/train/utt2spk.truth
"""

import json
from pathlib import Path

import numpy as np
from libs import cli
from libs.cli import RecipeError
from libs.datadir import read_table, write_text
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("utt2cluster", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("out_json", type=Path, nargs="?")
    args = parser.parse_args()

    clusters, truth = read_table(args.utt2cluster), read_table(args.truth)
    known = [utt for utt in clusters if utt in truth]
    if not known:
        raise RecipeError(f"{args.truth}: not one utterance of {args.utt2cluster} in it: is it of another corpus?")
    text = json.dumps(quality([clusters[utt] for utt in known], [truth[utt] for utt in known]))
    print(text)
    if args.out_json:
        write_text(args.out_json, text + "\n")


def quality(clusters: list[str], speakers: list[str]) -> dict:
    """Agreement of two labellings of the same utterances."""
    cluster_names, c = np.unique(clusters, return_inverse=True)
    speaker_names, s = np.unique(speakers, return_inverse=True)
    table = np.zeros((len(cluster_names), len(speaker_names)), dtype=np.int32)
    np.add.at(table, (c, s), 1)
    matched = table[linear_sum_assignment(table, maximize=True)].sum()
    return {
        "nmi": round(float(normalized_mutual_info_score(s, c)), 5),
        "ari": round(float(adjusted_rand_score(s, c)), 5),
        "purity": round(float(table.max(1).sum() / len(c)), 5),
        "accuracy": round(float(matched / len(c)), 5),
        "num_clusters": len(cluster_names),
        "num_speakers": len(speaker_names),
        "num_utterances": len(c),
    }


if __name__ == "__main__":
    cli.run(main)
