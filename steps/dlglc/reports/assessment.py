"""Assessment of clusters without labels: sizes, stability, silhouette, scores within recordings."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import adjusted_rand_score

from ..arrays import Array
from ..clusters.proposal import silhouette
from ..clusters.search import cluster_embeddings
from ..data.arks import read_embeddings
from ..data.tables import read_table
from ..errors import RecipeError
from ..files import write_lines, write_text
from ..scoring.metrics import equal_error_rate, rates, roc
from ..settings.schema import ClusterSettings
from ..vectors import group_means, unit_length
from .session_signs import sessions_of

PAIRS = 20_000  # most pairs of utterances of one recording that are scored; and as many of different recordings


def assess(
    embedding_scp: Path,
    cluster_dir: Path,
    settings: ClusterSettings,
    seed: int,
    device: str | torch.device = "cpu",
    data_dir: Path | None = None,
    before: Path | None = None,
) -> dict[str, Any]:
    """Write CLUSTER_DIR/unlabelled.json and CLUSTER_DIR/listen.txt (steps/assess_clusters.py).

    Args:
        embedding_scp: embeddings of the training set.
        cluster_dir: directory of their clusters, utt2cluster.
        settings: the settings of the clusters.
        seed: the seed of the clusters.
        device: where the distances are computed.
        data_dir: data directory, for recordings and sessions; None = they are not known.
        before: labels that the system was trained on; None = it was trained without labels.

    Returns:
        The contents of unlabelled.json.

    Raises:
        RecipeError: an utterance has no cluster.
    """
    ids, points = read_embeddings(embedding_scp)
    labels = labels_of(cluster_dir / "utt2cluster", ids)
    found = describe_sizes(labels)
    again = settings.model_copy(update={"num_clusters": found["num_clusters"], "ahc_from": 0})
    found["seed_agreement"] = agreement(labels, cluster_embeddings(points, again, seed + 1, device).labels)
    if before:
        found["round_agreement"] = agreement(labels, labels_of(before, ids))
    found["silhouette"] = mean_silhouette(points, labels)
    sessions = sessions_of(data_dir, ids) if data_dir else None
    if sessions:
        found |= same_recording_eer(points, sessions, seed)
    listen = (f"{cluster} {ids[row]} {place}" for cluster, row, place in to_listen(points, labels))
    write_lines(cluster_dir / "listen.txt", listen)
    write_text(cluster_dir / "unlabelled.json", json.dumps(found) + "\n")
    return found


def labels_of(path: Path, ids: list[str]) -> Array:
    """The cluster of each utterance."""
    table = read_table(path)
    missing = next((utt for utt in ids if utt not in table), None)
    if missing is not None:
        raise RecipeError(f"{path}: no cluster for '{missing}': cluster these embeddings again")
    return np.array([table[utt] for utt in ids])


def describe_sizes(labels: Array) -> dict[str, Any]:
    """Number of clusters, their sizes, and the number of clusters with one utterance."""
    sizes = np.bincount(np.unique(labels, return_inverse=True)[1])
    return {
        "num_clusters": len(sizes),
        "smallest": int(sizes.min()),
        "median": float(np.median(sizes)),
        "largest": int(sizes.max()),
        "singletons": int(np.count_nonzero(sizes == 1)),
    }


def agreement(one: Array, other: Array) -> float:
    """Adjusted Rand index of two clusterings of the same utterances: 1 = the same clusters, 0 = chance."""
    return round(float(adjusted_rand_score(one, other)), 4)


def mean_silhouette(points: Array, labels: Array) -> float:
    """clusters.proposal.silhouette of (N, D) embeddings, after their mean is subtracted."""
    return round(silhouette(unit_length(points - points.mean(0)).astype(np.float32), labels), 4)


def same_recording_eer(points: Array, sessions: list[str], seed: int) -> dict[str, Any]:
    """EER in percent of telling pairs of one recording (or session) from pairs of different recordings, by cosine.

    This is a rough substitute for speaker verification without labels. Pairs of one recording have the same channel
    besides the same speaker, and pairs of different recordings can be of one speaker.

    Args:
        points: (N, D) embeddings.
        sessions: recording or session of each.
        seed: of the pairs that are drawn.

    Returns:
        same_recording_eer and the number of pairs of each kind; empty if no recording has two utterances.
    """
    numbers = np.unique(sessions, return_inverse=True)[1]
    order = np.argsort(numbers, kind="stable")
    sizes = np.bincount(numbers)
    starts = np.cumsum(sizes) - sizes
    several = np.flatnonzero(sizes > 1)
    if not len(several) or len(sizes) < 2:
        return {}
    rng = np.random.default_rng(seed)
    weight = sizes[several] * (sizes[several] - 1.0)
    count = int(min(PAIRS, weight.sum() / 2))
    drawn = rng.choice(several, count, p=weight / weight.sum())
    first = (rng.random(count) * sizes[drawn]).astype(int)
    second = (first + 1 + (rng.random(count) * (sizes[drawn] - 1)).astype(int)) % sizes[drawn]
    target = order[starts[drawn] + first], order[starts[drawn] + second]
    one = rng.integers(len(points), size=count)
    own = numbers[one]
    # A place among all utterances except those of the own recording.
    place = (rng.random(count) * (len(points) - sizes[own])).astype(int)
    other = one, order[place + np.where(place >= starts[own], sizes[own], 0)]
    unit = unit_length(points - points.mean(0))
    scores = [np.einsum("nd,nd->n", unit[a], unit[b]) for a, b in (target, other)]
    curve = roc(np.concatenate(scores), np.repeat([True, False], [len(part) for part in scores]))
    eer = equal_error_rate(*rates(*curve.counts()))
    return {"same_recording_eer": round(100 * eer, 2), "same_recording_pairs": count}


def to_listen(points: Array, labels: Array) -> list[tuple[str, int, str]]:
    """Choose utterances of each cluster to listen to: the most central, a middle one, the farthest.

    Returns:
        (cluster, row, "central" | "middle" | "farthest"), the largest clusters first.
    """
    unit = unit_length(points - points.mean(0))
    names, numbers = np.unique(labels, return_inverse=True)
    means, sizes = group_means(unit, np.arange(len(unit)), numbers)
    closeness = np.einsum("nd,nd->n", unit, unit_length(means)[numbers])
    rows = []
    for cluster in np.argsort(-sizes, kind="stable"):
        members = np.flatnonzero(numbers == cluster)
        members = members[np.argsort(-closeness[members], kind="stable")]
        # With two utterances, the second is the farthest. A single utterance is central.
        places = {len(members) // 2: "middle", len(members) - 1: "farthest", 0: "central"}
        rows += [(str(names[cluster]), int(members[place]), word) for place, word in sorted(places.items())]
    return rows
