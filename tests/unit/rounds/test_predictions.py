"""Predictions of whole utterances: the nearest class in the space of the labels, beside a slow reference."""

import numpy as np
import pytest
import torch

from dlglc.rounds.loss import correction_targets
from dlglc.rounds.predictions import label_space, predict, random_confidence, random_lead
from dlglc.vectors import unit_length, within_class_whitening


def voices(seed=0, classes=6, each=20, dimensions=16, noise=0.6):
    """Embeddings of some classes, and the classes."""
    rng = np.random.default_rng(seed)
    means = 2 * rng.standard_normal((classes, dimensions))
    labels = np.repeat(np.arange(classes), each)
    return (means[labels] + noise * rng.standard_normal((len(labels), dimensions))).astype(np.float32), labels


def slow(embeddings, labels):
    """The nearest leave-one-out mean of each utterance, one by one."""
    unit = unit_length(embeddings, embeddings.mean(0))
    points = unit_length(unit @ within_class_whitening(unit, labels))
    found = []
    for i, point in enumerate(points):
        cosines = []
        for k in range(labels.max() + 1):
            members = [j for j in np.flatnonzero(labels == k) if j != i]
            mean = points[members].sum(0) if members else -point
            cosines.append(mean @ point / np.linalg.norm(mean))
        found.append(int(np.argmax(cosines)))
    return found


def test_the_best_class_is_that_of_the_slow_reference():
    embeddings, labels = voices(noise=2.0)
    labels = labels.copy()
    labels[::7] = np.random.default_rng(1).integers(6, size=len(labels[::7]))
    found = predict(embeddings, labels, 0.01, 0)
    assert found.best.tolist() == slow(embeddings, labels)
    assert 0 < (found.best != labels).mean() < 1


def test_wrong_labels_are_found_and_replaced_by_the_right_ones():
    embeddings, truth = voices()
    labels = truth.copy()
    wrong = np.arange(0, len(labels), 10)
    labels[wrong] = (labels[wrong] + 1) % 6
    found = predict(embeddings, labels, 0.05, 0)
    assert (found.best[wrong] == truth[wrong]).all()
    assert found.sure[wrong].mean() > 0.5


def test_an_utterance_does_not_vote_for_itself():
    embeddings, labels = voices(each=3)
    alone = np.append(labels, 6)  # a class of one utterance, which is of class 0
    found = predict(np.vstack([embeddings, embeddings[:1] + 0.01]), alone, 0.01, 0)
    assert found.best[-1] == 0


@pytest.mark.parametrize("share", [0.01, 0.1])
@pytest.mark.parametrize(("classes", "dimensions"), [(5, 8), (400, 64)])
def test_about_that_share_of_random_directions_exceeds_the_lead(share, classes, dimensions):
    means = unit_length(np.random.default_rng(7).standard_normal((classes, dimensions)))
    limit = random_lead(means, share, 0)
    others = unit_length(np.random.default_rng(1).standard_normal((20_000, dimensions)))
    second, first = np.sort(others @ means.T, axis=1)[:, -2:].T
    assert np.mean(first - second > limit) == pytest.approx(share, rel=0.4)


@pytest.mark.parametrize(("classes", "dimensions", "temperature"), [(100, 16, 1.0), (900, 32, 0.8)])
def test_that_share_of_random_embeddings_exceeds_the_confidence(classes, dimensions, temperature):
    weights = torch.randn(classes, dimensions, generator=torch.Generator().manual_seed(7)) * 3
    limit = random_confidence(weights, 32.0, temperature, 0.05, 0)
    others = torch.randn(20_000, dimensions, generator=torch.Generator().manual_seed(8))
    cosines = torch.nn.functional.normalize(others) @ torch.nn.functional.normalize(weights).T
    passed = (correction_targets(cosines, 32.0, temperature, hard=False)[1] > limit).double().mean()
    assert float(passed) == pytest.approx(0.05, rel=0.3)


def test_the_space_has_the_same_spread_within_classes_in_all_directions():
    rng = np.random.default_rng(0)
    embeddings, labels = voices(dimensions=6, each=200)
    embeddings = embeddings + 3 * rng.standard_normal((len(labels), 1)) * np.eye(6)[0]  # a direction of the channel
    points = label_space(embeddings.astype(np.float32), labels)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-5)
    within = points - np.array([points[labels == k].mean(0) for k in labels])
    raw = unit_length(embeddings, embeddings.mean(0))
    before = raw - np.array([raw[labels == k].mean(0) for k in labels])
    ratio = [np.ptp(np.linalg.eigvalsh(np.cov(x.T))) / np.trace(np.cov(x.T)) for x in (before, within)]
    assert ratio[1] < ratio[0] / 2
