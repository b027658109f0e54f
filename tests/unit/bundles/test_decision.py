"""Thresholds at false-accept rates, probabilities, and the pairs that they come from."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from dlglc.bundles.decision import different_clusters, make_decision
from dlglc.errors import RecipeError


def test_a_threshold_lets_its_share_of_pairs_through():
    different = np.random.default_rng(0).permutation(norm.ppf((np.arange(100_000) + 0.5) / 100_000))
    decision = make_decision("cohort", different)
    for rate in (0.001, 0.01, 0.05, 0.3):
        assert np.mean(different >= decision.threshold(rate)) == pytest.approx(rate, rel=0.05)
        assert decision.threshold(rate) == pytest.approx(norm.isf(rate), abs=0.01)
    assert decision.miss(0.01) is None
    assert decision.probability(0.0, 0.5) is None
    assert "nothing is labelled" in decision.describe(0.01)
    assert "100,000 pairs" in decision.describe(0.01)


def test_a_rate_that_the_pairs_cannot_show_is_refused():
    decision = make_decision("cohort", np.arange(1000.0))
    assert decision.threshold(0.01) == pytest.approx(990, abs=1)
    with pytest.raises(RecipeError, match=r"rates from 0\.01 to 0\.5 \(1000 pairs"):
        decision.threshold(0.001)
    few = make_decision("cohort", np.arange(6.0))
    assert few.threshold(0.5) == 3
    assert make_decision("cohort", np.ones(1)).threshold(1.0) == 1


def test_with_labels_misses_and_probabilities_are_known():
    same = np.arange(200.0)
    decision = make_decision("labels", np.arange(-900.0, 100.0), same, (0.5, -1.0))
    at = decision.threshold(0.05)
    assert decision.miss(0.05) == pytest.approx(np.mean(same < at), abs=0.01)
    assert "of 200 pairs of one person do not" in decision.describe(0.05)
    assert decision.probability(2.0, 0.5) == pytest.approx(0.5)
    odds = 0.5 * 4 - 1 + math.log(0.1 / 0.9)
    assert decision.probability(4.0, 0.1) == pytest.approx(1 / (1 + math.exp(-odds)))
    assert decision.probability(-1e6, 0.5) == 0


def test_pairs_take_the_same_number_of_every_cluster():
    clusters = np.repeat(np.arange(30), np.arange(1, 31) * 5)
    rows = different_clusters(clusters, 120, 0)
    assert len(set(rows.tolist())) == len(rows)
    assert set(np.bincount(clusters[rows]).tolist()) == {4}
    assert different_clusters(clusters, 120, 0).tolist() == rows.tolist()
    assert different_clusters(clusters, 120, 1).tolist() != rows.tolist()
    assert len(different_clusters(clusters, 20, 0)) == 20
