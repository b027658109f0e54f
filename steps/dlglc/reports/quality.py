"""How pseudo labels and gates agree with the true speakers. For reports only: no training looks at this."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array, eye_array, hstack
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from ..rounds.loss import CORRECTED, DROPPED, KEPT


def cluster_quality(clusters: list[str], speakers: list[str]) -> dict:
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


def gate_quality(gate_dir: Path, clusters: list[str], truth: list[str]) -> list[dict[str, Any]]:
    """How right a round's gate and correction were, one record for each epoch.

    A cluster stands for the speaker that most of its utterances have. A label is right when it is a cluster of the
    utterance's own speaker.

    Args:
        gate_dir: with epochNN.npz of the round.
        clusters, truth: label and true speaker of each utterance, in the order of the data directory.

    Returns:
        per epoch the shares kept, corrected and dropped, and the precision of the labels that were kept, corrected
        (after the correction and before it) and dropped; None where there are none.
    """
    _, labels = np.unique(clusters, return_inverse=True)
    _, speakers = np.unique(truth, return_inverse=True)
    counts = np.zeros((labels.max() + 1, speakers.max() + 1), dtype=np.int32)
    np.add.at(counts, (labels, speakers), 1)
    speaker_of = counts.argmax(1)
    lines = []
    for file in sorted(gate_dir.glob("epoch*.npz")):
        with np.load(file, allow_pickle=False) as record:
            decision, target = record["decision"], record["target"]
        before, after = speaker_of[labels] == speakers, speaker_of[target] == speakers
        kept, corrected, dropped = decision == KEPT, decision == CORRECTED, decision == DROPPED
        lines.append(
            {
                "epoch": int(file.stem.removeprefix("epoch")),
                "labels_right": share(before),
                "kept": share(kept),
                "kept_right": share(before[kept]),
                "corrected": share(corrected),
                "corrected_right": share(after[corrected]),
                "corrected_right_before": share(before[corrected]),
                "dropped": share(dropped),
                "dropped_right": share(before[dropped]),
            }
        )
    return lines


def share(flags: np.ndarray) -> float | None:
    """Mean of booleans, None of none."""
    return round(float(flags.mean()), 4) if len(flags) else None
