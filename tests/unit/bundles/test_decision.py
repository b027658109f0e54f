"""Thresholds at false-accept rates, probabilities, and the pairs that they come from."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from dlglc.bundles.decision import Decision, make_decision
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
    decision = make_decision("labels", np.arange(-900.0, 100.0), same, (0.02, -1.0))
    at = decision.threshold(0.05)
    assert decision.miss(0.05) == pytest.approx(np.mean(same < at), abs=0.01)
    assert "of 200 pairs of one person do not" in decision.describe(0.05)
    assert decision.probability(50.0, 0.5) == pytest.approx(0.5)
    odds = 0.02 * 4 - 1 + math.log(0.1 / 0.9)
    assert decision.probability(4.0, 0.1) == pytest.approx(1 / (1 + math.exp(-odds)))
    assert decision.probability(-1e6, 0.5) == 0


def scores(shift, count=400, seed=0):
    """Scores of pairs of different people, and of pairs of one person that are higher by `shift` deviations."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(count), rng.standard_normal(count) + shift


@pytest.mark.parametrize(
    ("shift", "count", "calibration", "words"),
    [
        (3, 400, (3.0, -4.5), ""),
        (3, 9, (3.0, -4.5), "9 labelled pairs of one person and 9 of different people are too few"),
        (3, 400, (0.0, 0.0), "does not rise with the score"),
        (-3, 400, (-3.0, -4.5), "does not rise with the score"),
        (0, 400, (1e-3, 0.0), "no better than a constant"),
        (3, 400, (3.0, 40.0), "no better than a constant"),
    ],
)
def test_a_calibration_that_says_nothing_is_named(shift, count, calibration, words):
    decision = make_decision("labels", *scores(shift, count), calibration)
    probability = decision.probability(1.0, 0.5)
    if words:
        assert probability is None and words in decision.why_none
        assert f"There is no calibration: {decision.why_none}." == decision.describe_calibration()
    else:
        assert decision.why_none == "" and 0 < probability < 1
        assert "3 · score + -4.5" in decision.describe_calibration()
    assert decision.miss(0.05) is not None
    restored = Decision(**decision.arrays(), **decision.record())
    assert restored.record() == decision.record()
