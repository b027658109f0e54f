"""Recordings in groups by voice, without knowing how many voices there are."""

from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..bundles.scorer import Scorer
from ..errors import RecipeError
from .evidence import WEIGHT, likeliest_cut

MOST = 10_000  # recordings; all pairs are compared
FEW = 0.25  # share of pairs at or above the threshold. With more, few voices speak, and their mean is no place to
# measure from
CLIP = 20.0  # a pair counts no more than this many units of score above or below the threshold


class Groups(NamedTuple):
    """Recordings in groups.

    Attributes:
        voices: (N,) int, 0 to K-1, numbered by the size of the groups, the largest first.
        margins: (N,) mean score to the others of the own group, less that to the nearest other group, or less the
            threshold if that is higher. Of a recording that is alone: the threshold, less the mean score to the nearest
            group. The grouping is unsure where this is low.
        centred: whether scores were measured from the mean of these recordings instead of that of the training set.
    """

    voices: Array
    margins: Array
    centred: bool


def group_voices(
    scorer: Scorer, embeddings: Array, strict: float, loose: float, groups_wanted: int | None = None
) -> Groups:
    """Group recordings by voice.

    A tree of groups is built by Ward's method on vectors of unit length.

    PLDA is a model of voices, so the tree is cut where the evidence of this model is highest (see evidence.py).

    With cosines it is cut where the sum over all pairs in a group of (score - threshold) is highest (correlation
    clustering: Bansal, Blum and Chawla, Machine Learning 56, 2004, over the cuts of a tree). If few pairs reach the
    threshold, many voices speak. Then it is done once more, with vectors that are measured from the mean of these
    recordings instead of that of the training set. That takes away what is common to all of them: language, room,
    microphone. Scores are lower then, and the lower threshold is the right one.

    Args:
        embeddings: (N, D).
        strict, loose: thresholds of both passes, e.g. at false-accept rates of 1 % and 5 %. With PLDA, only margins
            depend on `loose`.
        groups_wanted: cut the tree into so many groups instead.

    Raises:
        RecipeError: there are too many recordings.
    """
    if len(embeddings) > MOST:
        raise RecipeError(f"{len(embeddings)} recordings are too many to compare all pairs: {MOST} at most")
    voices, scores = tree_groups(scorer, embeddings, strict, WEIGHT, groups_wanted)
    if scorer.plda is not None:
        return Groups(voices, margins(scores, voices, loose), False)
    centred = bool(np.mean(scores[np.triu_indices(len(scores), 1)] >= strict) < FEW) if len(scores) > 1 else False
    if centred:
        voices, scores = tree_groups(scorer.centred(embeddings.mean(0)), embeddings, loose, WEIGHT, groups_wanted)
    return Groups(voices, margins(scores, voices, loose if centred else strict), centred)


def tree_groups(
    scorer: Scorer, embeddings: Array, threshold: float, weight: float, groups_wanted: int | None = None
) -> tuple[Array, Array]:
    """Groups by Ward's method, the tree cut as the scorer's back-end asks for it.

    Args:
        embeddings: (N, D).
        threshold: pairs of one group should have higher cosines. PLDA needs none.
        weight: of the evidence of PLDA, see evidence.py. Cosines need none.
        groups_wanted: cut the tree into so many groups instead.

    Returns:
        (N,) group of each, and the (N, N) symmetric scores of all pairs.
    """
    scores, vectors = pair_scores(scorer, embeddings)
    if scorer.plda is None:
        return cut_tree(scores, vectors, threshold, groups_wanted), scores
    represented = scorer.represent(embeddings)
    return likeliest_groups(represented, scorer.plda.psi, vectors, weight, groups_wanted), scores


def pair_scores(scorer: Scorer, embeddings: Array) -> tuple[Array, Array]:
    """(N, N) symmetric scores of all pairs, and (N, d) vectors of unit length."""
    vectors = scorer.represent(embeddings)
    scores = scorer.pairs(vectors)
    return (scores + scores.T) / 2, vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def cut_tree(scores: Array, vectors: Array, threshold: float, groups_wanted: int | None = None) -> Array:
    """(N,) groups by Ward's method and the best cut. The largest group is 0.

    Args:
        scores: (N, N), of all pairs.
        vectors: (N, d), of unit length.
        threshold: pairs of one group should have higher scores.
        groups_wanted: cut the tree into so many groups instead.
    """
    count = len(scores)
    merges = ward_tree(vectors)
    if groups_wanted:
        return groups_after(merges, count, merges_for(groups_wanted, count))
    gains = np.clip(scores - threshold, -CLIP, CLIP)
    np.fill_diagonal(gains, 0)
    members: list[list[int]] = [[i] for i in range(count)]
    total, best, best_at = 0.0, 0.0, 0
    for number, (a, b) in enumerate(merges, 1):
        total += 2 * float(gains[np.ix_(members[a], members[b])].sum())
        members.append(members[a] + members[b])
        if total > best:
            best, best_at = total, number
    return groups_after(merges, count, best_at)


def likeliest_groups(
    represented: Array, psi: Array, vectors: Array, weight: float, groups_wanted: int | None = None
) -> Array:
    """(N,) groups by Ward's method and the cut with the highest evidence. The largest group is 0.

    Args:
        represented: (N, d) in the space of PLDA.
        psi: (d,) of PLDA.
        vectors: (N, d), of unit length.
        weight: of the evidence, see evidence.py.
        groups_wanted: cut the tree into so many groups instead.
    """
    merges = ward_tree(vectors)
    if groups_wanted:
        return groups_after(merges, len(vectors), merges_for(groups_wanted, len(vectors)))
    return groups_after(merges, len(vectors), likeliest_cut(represented, psi, merges, weight))


def ward_tree(vectors: Array) -> list[tuple[int, int]]:
    """Both parts of each node of the tree; node N + i is made by merge i.

    Args:
        vectors: (N, d), of unit length.
    """
    from scipy.cluster.hierarchy import linkage

    if len(vectors) < 2:
        return []
    return [(int(first), int(second)) for first, second in linkage(vectors, "ward")[:, :2]]


def merges_for(groups: int, count: int) -> int:
    """The number of merges after which so many groups of `count` recordings are left."""
    return max(0, count - groups)


def groups_after(merges: list[tuple[int, int]], count: int, number: int) -> Array:
    """(N,) groups after the first merges. The largest group is 0."""
    groups = {i: [i] for i in range(count)}
    for at, (first, second) in enumerate(merges[:number]):
        groups[count + at] = groups.pop(first) + groups.pop(second)
    voices = np.empty(count, dtype=np.int64)
    for voice, rows in enumerate(sorted(groups.values(), key=lambda rows: (-len(rows), min(rows)))):
        voices[rows] = voice
    return voices


def margins(scores: Array, voices: Array, threshold: float) -> Array:
    """(N,) how sure the group of each recording is, see Groups."""
    count = len(voices)
    member = np.eye(int(voices.max()) + 1)[voices]  # (N, K)
    sizes = member.sum(0)
    off = scores.copy()
    np.fill_diagonal(off, 0)
    sums = off @ member
    own = np.arange(count), voices
    others = sums / sizes
    others[own] = -np.inf
    nearest = np.maximum(others.max(1), threshold)
    mean_own = sums[own] / np.maximum(sizes[voices] - 1, 1)
    alone: Array = np.where(sizes[voices] == 1, threshold - others.max(1), mean_own - nearest)
    return alone
