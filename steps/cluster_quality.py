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

import numpy as np
from libs import cli
from libs.cli import RecipeError
from libs.datadir import read_table, write_text
from scipy.sparse import coo_array, eye_array, hstack
from scipy.sparse.csgraph import min_weight_full_bipartite_matching


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
    """Agreement of two labellings of the same utterances, from the cells of their contingency table that are not 0."""
    _, c = np.unique(clusters, return_inverse=True)
    _, s = np.unique(speakers, return_inverse=True)
    table = coo_array((np.ones(len(c)), (c, s))).tocsr()
    table.sum_duplicates()
    of_cluster, of_speaker = np.bincount(c), np.bincount(s)
    pairs_both = (table.data * (table.data - 1)).sum() / 2
    pairs_c, pairs_s = ((sizes * (sizes - 1.0)).sum() / 2 for sizes in (of_cluster, of_speaker))
    expected = pairs_c * pairs_s / max(len(c) * (len(c) - 1) / 2, 1)
    mean_pairs = (pairs_c + pairs_s) / 2
    information = entropy(of_cluster) + entropy(of_speaker) - entropy(table.data)
    mean_entropy = (entropy(of_cluster) + entropy(of_speaker)) / 2
    return {
        "nmi": round(max(0.0, information / mean_entropy) if mean_entropy > 0 else 1.0, 5),
        "ari": round(float((pairs_both - expected) / (mean_pairs - expected)) if mean_pairs > expected else 1.0, 5),
        "purity": round(float(table.max(axis=1).sum() / len(c)), 5),
        "accuracy": round(matched(table) / len(c), 5),
        "num_clusters": len(of_cluster),
        "num_speakers": len(of_speaker),
        "num_utterances": len(c),
        "singletons": int((of_cluster == 1).sum()),
    }


def entropy(counts: np.ndarray) -> float:
    """Of the distribution that the counts make, in nats."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def matched(table) -> float:
    """Utterances on the best one-to-one matching of clusters to speakers (the Hungarian method's answer).

    The sparse solver wants every cluster matched: each gets a speaker of its own that is worth nothing. It takes 0 for
    a missing edge, hence the 1 on top of every edge, of which each cluster then has exactly one.
    """
    table = table.copy()
    table.data += 1
    edges = hstack([table, eye_array(table.shape[0])]).tocsr()
    rows, columns = min_weight_full_bipartite_matching(edges, maximize=True)
    return float(edges[rows, columns].sum() - table.shape[0])


if __name__ == "__main__":
    cli.run(main)
