"""Agreement of pseudo labels and gates with the true speakers. For reports only: no training uses it."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array, eye_array, hstack
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from ..arrays import Array
from ..rounds.loss import CORRECTED, DROPPED, KEPT
from ..rounds.records import read_record


def cluster_quality(clusters: list[str], speakers: list[str]) -> dict[str, float]:
    """Agreement of clusters with true speakers.

    Args:
        clusters, speakers: label of each utterance.

    Returns:
        nmi (normalised by the arithmetic mean), ari, purity (share of utterances whose speaker is the most frequent one
        of their cluster), accuracy (after the best one-to-one matching), the numbers of clusters, speakers and
        utterances, and singletons, the number of clusters with one utterance.
    """
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
        "accuracy": round(count_matched(table) / len(c), 5),
        "num_clusters": len(of_cluster),
        "num_speakers": len(of_speaker),
        "num_utterances": len(c),
        "singletons": int((of_cluster == 1).sum()),
    }


def entropy(counts: Array) -> float:
    """Entropy of the distribution that the counts describe, in nats."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def count_matched(table: "csr_array[Any, Any]") -> float:
    """Number of utterances in the best one-to-one matching of clusters to speakers (as the Hungarian method finds it).

    The sparse solver matches every cluster, so each cluster gets an additional speaker without utterances. The solver
    takes an edge of weight 0 for a missing edge, so 1 is added to every edge. Each cluster has exactly one edge in the
    matching, so the number of clusters is subtracted from its weight.
    """
    table = table.copy()
    table.data += 1
    edges: csr_array[Any, tuple[int, int]] = csr_array(hstack([table, eye_array(table.shape[0])]))
    rows, columns = min_weight_full_bipartite_matching(edges, maximize=True)
    return float(edges[rows, columns].sum() - table.shape[0])


def gate_quality(gate_dir: Path, clusters: list[str], truth: list[str]) -> list[dict[str, Any]]:
    """Precision of a round's gate and of its correction, one record per epoch.

    A label is right if the speaker of its cluster (speakers_of_clusters) is the true speaker of the utterance.

    Args:
        gate_dir: directory of the round's epochNN.npz.
        clusters, truth: label and true speaker of each utterance, in the order of the data directory.

    Returns:
        For each epoch the shares of kept, corrected and dropped labels, and the share of right ones among the kept,
        corrected (after and before the correction) and dropped labels. None if there are no such labels.
    """
    labels, speakers, speaker_of = speakers_of_clusters(clusters, truth)
    lines = []
    for file in sorted(gate_dir.glob("epoch*.npz")):
        decision, target, _, rows = read_record(file)
        before, after = (speaker_of[labels] == speakers)[rows], speaker_of[target] == speakers[rows]
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


def speakers_of_clusters(clusters: list[str], truth: list[str]) -> tuple[Array, Array, Array]:
    """Numbers of clusters and of true speakers of the (N,) utterances, and the speaker of each cluster.

    The speaker of a cluster is the true speaker of most of its utterances.
    """
    _, labels = np.unique(clusters, return_inverse=True)
    _, speakers = np.unique(truth, return_inverse=True)
    counts = np.zeros((labels.max() + 1, speakers.max() + 1), dtype=np.int32)
    np.add.at(counts, (labels, speakers), 1)
    return labels, speakers, counts.argmax(1)


def right_labels(clusters: list[str], truth: list[str]) -> Array:
    """(N,) bool, whether the speaker of an utterance's cluster is its true speaker."""
    labels, speakers, speaker_of = speakers_of_clusters(clusters, truth)
    right: Array = speaker_of[labels] == speakers
    return right


def share(flags: Array) -> float | None:
    """Share of true values; None if there are no values."""
    return round(float(flags.mean()), 4) if len(flags) else None
