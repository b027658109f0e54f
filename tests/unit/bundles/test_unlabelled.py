"""Thresholds from clusters: rates hold for strangers, also where encoder and PLDA know the training voices too well."""

import numpy as np
import pytest

from dlglc.bundles.scorer import Scorer
from dlglc.bundles.unlabelled import Training, different_clusters, nearest, scores_of_folds, unlabelled_decision
from dlglc.scoring.plda import train_plda
from support.bundles import settings


def test_pairs_take_the_same_number_of_every_cluster():
    clusters = np.repeat(np.arange(30), np.arange(1, 31) * 5)
    rows = different_clusters(clusters, 120, 0)
    assert len(set(rows.tolist())) == len(rows)
    assert set(np.bincount(clusters[rows]).tolist()) == {4}
    assert different_clusters(clusters, 120, 0).tolist() == rows.tolist()
    assert different_clusters(clusters, 120, 1).tolist() != rows.tolist()
    assert len(different_clusters(clusters, 20, 0)) == 20


def test_thresholds_without_labels_are_of_like_voices():
    scores = np.array([[9, 3, 1, 0], [3, 9, 2, 1], [1, 2, 9, 0], [0, 1, 0, 9.0]])
    expected = {(0, 1), (1, 2), (1, 3)}  # 1 is the nearest of all others
    assert set(zip(*np.nonzero(np.triu(nearest(scores, 1))))) == expected
    assert nearest(scores, 3).sum() == 12


def test_strangers_are_let_through_about_as_often_as_said():
    """Voices in a space where some are alike, and an encoder that separates those of the training set too well."""
    rng = np.random.default_rng(0)
    groups = rng.standard_normal((6, 16))
    voices = groups[rng.integers(6, size=120)] + rng.standard_normal((120, 16))
    labels = np.repeat(np.arange(60), 10)
    known = 1.15 * voices[labels] + 0.6 * rng.standard_normal((600, 16))
    strangers = voices[60:][np.repeat(np.arange(60), 4)] + 0.6 * rng.standard_normal((240, 16))
    arrays = {"mean": known.mean(0).astype("f4"), "cohort": known[:60]}
    scorer = Scorer("cosine", arrays, 0, True)
    decision = unlabelled_decision(scorer, Training(known.astype("f4"), labels), settings(), 0)
    pairs = scorer.pairs(scorer.represent(strangers.astype("f4")))
    different = np.repeat(np.arange(60), 4)[:, None] > np.repeat(np.arange(60), 4)
    accepted = np.mean(pairs[different] >= decision.threshold(0.05))
    assert 0.003 < accepted < 0.06


def plda_system(seed, voices, each):
    """A training set of some voices, with a PLDA that was trained on them, and pairs of strangers."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(voices), each)
    known, strangers = (
        rng.standard_normal((voices, 32))[labels] + 1.2 * rng.standard_normal((voices * each, 32)) for _ in range(2)
    )
    sizes = settings()
    model, _ = train_plda(known, labels, sizes.lda_dim, sizes.min_class_size, sizes.iterations)
    arrays = {f"plda_{name}": array for name, array in vars(model).items()}
    scorer = Scorer("plda", {"mean": known.mean(0), "cohort": known[:voices], **arrays}, 0, True)
    scores = scorer.pairs(scorer.represent(strangers))
    return scorer, Training(known, labels), scores[labels[:, None] > labels]


def test_plda_is_judged_on_clusters_that_it_has_not_seen():
    """With few voices, PLDA separates those of its training much better than strangers."""
    stated, found, naive = 0.05, [], []
    for seed in range(4):
        scorer, training, strangers = plda_system(seed, 40, 8)
        decision = unlabelled_decision(scorer, training, settings(), 0)
        found.append(np.mean(strangers >= decision.threshold(stated)))
        own = scorer.pairs(scorer.represent(training.embeddings))
        own = own[training.clusters[:, None] > training.clusters]
        naive.append(np.mean(strangers >= np.quantile(own, 1 - stated)))
    assert abs(np.log(np.mean(found) / stated)) < 0.5 * abs(np.log(np.mean(naive) / stated))
    assert np.mean(found) == pytest.approx(stated, rel=0.5)


def test_pairs_of_two_folds_are_not_scored():
    scorer, training, _ = plda_system(0, 25, 6)
    rows = np.arange(len(training.clusters))
    scores = scores_of_folds(scorer, training, rows, settings(), 0)
    same = training.clusters[:, None] == training.clusters
    assert np.isfinite(scores[same]).all()
    assert np.isfinite(scores).mean() == pytest.approx(1 / 5, abs=0.01)  # five clusters of 25 are in each fold
    again = scores_of_folds(scorer, training, rows, settings(), 1)
    assert (np.isfinite(again) != np.isfinite(scores)).any()


def test_few_clusters_have_no_folds_and_yet_thresholds():
    scorer, training, _ = plda_system(0, 2, 6)
    assert scores_of_folds(scorer, training, np.arange(12), settings(), 0) is None
    assert unlabelled_decision(scorer, training, settings(), 0).different == 36
