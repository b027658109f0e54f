"""EER and minDCF against scikit-learn's ROC and a loop over all thresholds, ties included."""

import numpy as np
import pytest
from libs.cli import RecipeError
from libs.metrics import equal_error_rate, error_rates, min_dcf, split_scores, summary
from scipy.optimize import brentq
from sklearn.metrics import roc_curve


def draw(seed, ties=False, count=400):
    rng = np.random.default_rng(seed)
    target = rng.random(count) < rng.uniform(0.1, 0.9)
    target[:2] = True, False
    scores = rng.normal(target * rng.uniform(-0.5, 3), 1)
    return (np.round(scores, 1) if ties else scores), target


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_against_a_loop_and_scikit_learn(seed, ties):
    scores, target = draw(seed, ties)
    p_miss, p_fa = error_rates(*split_scores(scores, target))
    for p_target in (0.01, 0.05, 0.5):
        costs = []
        for threshold in [*np.unique(scores), np.inf]:
            accept = scores >= threshold
            costs.append(p_target * np.mean(~accept[target]) + (1 - p_target) * np.mean(accept[~target]))
        assert min_dcf(p_miss, p_fa, p_target) == pytest.approx(min(costs) / min(p_target, 1 - p_target))
    fpr, tpr, _ = roc_curve(target, scores, drop_intermediate=False)
    expected = brentq(lambda f: 1 - np.interp(f, fpr, tpr) - f, 0, 1, xtol=1e-12)
    # where the ROC jumps at that very P_fa, interpolation over P_fa and the crossing of the edge agree to the jump
    assert equal_error_rate(p_miss, p_fa) == pytest.approx(expected, abs=1e-6)


def test_extremes():
    target = np.array([True] * 5 + [False] * 5)
    assert summary(target * 1.0, target)["eer"] == 0
    assert summary(target * 1.0, target)["mindcf_0.01"] == 0
    assert summary(-1.0 * target, target)["eer"] == 100
    assert summary(np.zeros(10), target)["eer"] == pytest.approx(50)
    assert summary(np.zeros(10), target)["mindcf_0.05"] == 1


def test_a_worked_case():
    target = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
    scores = np.array([0.9, 0.8, 0.7, 0.3, 0.6, 0.2, 0.1, 0.0])
    assert summary(scores, target)["eer"] == pytest.approx(25)


def test_scores_that_give_no_rates_are_named():
    with pytest.raises(RecipeError, match="without a single nontarget"):
        split_scores(np.ones(3), np.ones(3, bool))
    with pytest.raises(RecipeError, match="without a single target"):
        split_scores(np.ones(3), np.zeros(3, bool))
    with pytest.raises(RecipeError, match="trial 2 has the score NaN"):
        split_scores(np.array([1, np.nan]), np.array([True, False]))
