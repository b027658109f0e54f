"""Thresholds where nothing is labelled: from pairs of utterances of different clusters of the training set.

Encoder and PLDA were trained to tell these clusters apart, so they do it better than they tell strangers apart. Two
things make up for that, and docs/using-a-model.md has measurements:

PLDA            Each pair is scored by a PLDA that was trained without the clusters of both.
other back-ends Only pairs of clusters that are near each other count.
"""

from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import RecipeError
from ..scoring.plda import train_plda
from ..settings.schema import BackendSettings
from ..vectors import group_means
from .decision import Decision, make_decision
from .scorer import Scorer

PAIRS_OF = 2000  # training utterances, about, whose pairs give thresholds
FOLDS = 5  # a PLDA for each is trained on the clusters of the others
NEAR = 5  # of each cluster, the nearest K / NEAR others are like voices


class Training(NamedTuple):
    """The training set as the encoder sees it.

    Attributes:
        embeddings: (N, D).
        clusters: (N,) int, 0 to K-1.
    """

    embeddings: Array
    clusters: Array


def unlabelled_decision(scorer: Scorer, training: Training, settings: BackendSettings, seed: int) -> Decision:
    """Thresholds from pairs of different clusters, see above.

    Args:
        settings: by which PLDA is trained.
        seed: of the utterances that are drawn, and of the folds.
    """
    rows = different_clusters(training.clusters, PAIRS_OF, seed)
    clusters = training.clusters[rows]
    scores = scores_of_folds(scorer, training, rows, settings, seed)
    if scores is None:
        scores = scorer.pairs(scorer.represent(training.embeddings[rows]))
        counted = near_clusters(scorer, training, clusters)
    else:
        counted = np.isfinite(scores) & (clusters[:, None] != clusters)
    first, second = np.triu_indices(len(rows), 1)
    return make_decision("cohort", scores[first, second][counted[first, second]])


def scores_of_folds(
    scorer: Scorer, training: Training, rows: Array, settings: BackendSettings, seed: int
) -> Array | None:
    """(U, U) scores of pairs of utterances by a PLDA that has not seen their clusters; NaN for pairs of two folds.

    None if the back-end is another, or if a fold has too few clusters for a PLDA.

    Args:
        rows: (U,) of the training set.
    """
    if scorer.plda is None:
        return None
    fold = np.random.default_rng(seed).permutation(int(training.clusters.max()) + 1)[training.clusters] % FOLDS
    scores = np.full((len(rows), len(rows)), np.nan, dtype=np.float32)
    sizes = settings.lda_dim, settings.min_class_size, settings.iterations
    for number in range(FOLDS):
        others, own = fold != number, np.flatnonzero(fold[rows] == number)
        try:
            model, _ = train_plda(training.embeddings[others], training.clusters[others], *sizes)
        except RecipeError:
            return None
        judge = scorer.with_plda(model)
        scores[np.ix_(own, own)] = judge.pairs(judge.represent(training.embeddings[rows[own]]))
    return scores


def near_clusters(scorer: Scorer, training: Training, clusters: Array) -> Array:
    """(U, U) bool: whether the clusters of two utterances are different, and near each other.

    Args:
        clusters: (U,) cluster of each utterance.
    """
    names, places = np.unique(clusters, return_inverse=True)
    members = np.flatnonzero(np.isin(training.clusters, names))
    means = group_means(training.embeddings, members, np.searchsorted(names, training.clusters[members]))[0]
    counted: Array = nearest(scorer.pairs(scorer.represent(means)), max(1, len(names) // NEAR))[places[:, None], places]
    return counted


def different_clusters(clusters: Array, most: int, seed: int) -> Array:
    """(U,) rows of the training set whose pairs serve as pairs of different people.

    The same number of utterances of every cluster, two or a few more where there are few clusters, so that no cluster
    has more weight than another.

    Args:
        clusters: (N,) cluster of each utterance.
        most: of the U, about.
        seed: of the choice.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(clusters))
    names = rng.permutation(np.unique(clusters))
    of_each = max(2, min(20, most // len(names)))
    rows = [order[clusters[order] == name][:of_each] for name in names[: max(2, most // of_each)]]
    return np.sort(np.concatenate(rows))


def nearest(scores: Array, count: int) -> Array:
    """(K, K) bool: of each pair of different rows, whether one is among the `count` nearest to the other.

    Args:
        scores: (K, K) of all pairs.
    """
    others = scores.copy()
    np.fill_diagonal(others, -np.inf)
    near = np.zeros(scores.shape, dtype=bool)
    near[np.arange(len(scores))[:, None], np.argsort(-others, axis=1)[:, :count]] = True
    either: Array = near | near.T
    return either
