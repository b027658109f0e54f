"""Error rates against scikit-learn's ROC, loops over all thresholds and definitions written out, ties included."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import logit
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss, roc_curve

from dlglc.errors import RecipeError
from dlglc.scoring.metrics import (
    actual_dcf,
    cllr,
    convex_hull,
    det_points,
    equal_error_rate,
    min_cllr,
    min_dcf,
    rates,
    rising,
    roc,
    summary,
)


def draw(seed, ties=False, count=400):
    rng = np.random.default_rng(seed)
    target = rng.random(count) < rng.uniform(0.1, 0.9)
    target[:2] = True, False
    scores = rng.normal(target * rng.uniform(-0.5, 3), 1)
    return (np.round(scores, 1) if ties else scores), target


def thresholds_of(scores):
    return [*np.unique(scores), np.inf]


def errors_at(scores, target, threshold):
    return np.mean(scores[target] < threshold), np.mean(scores[~target] >= threshold)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_against_a_loop_and_scikit_learn(seed, ties):
    scores, target = draw(seed, ties)
    p_miss, p_fa = rates(*roc(scores, target).counts())
    for p_target in (0.01, 0.05, 0.5):
        costs = []
        for threshold in thresholds_of(scores):
            miss, false_alarm = errors_at(scores, target, threshold)
            costs.append(p_target * miss + (1 - p_target) * false_alarm)
        assert min_dcf(p_miss, p_fa, p_target) == pytest.approx(min(costs) / min(p_target, 1 - p_target))
    fpr, tpr, _ = roc_curve(target, scores, drop_intermediate=False)
    expected = brentq(lambda f: 1 - np.interp(f, fpr, tpr) - f, 0, 1, xtol=1e-12)
    # where the ROC jumps at that very P_fa, interpolation over P_fa and the crossing of the edge agree to the jump
    assert equal_error_rate(p_miss, p_fa) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(300))
def test_random_lists_against_all_thresholds(seed):
    """From two trials on, from all alike to all different, infinite scores among them."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 40))
    target = rng.random(count) < rng.uniform(0.1, 0.9)
    target[:2] = rng.permutation([True, False])
    scores = rng.integers(-3, 4, count) / 3 if seed % 2 else rng.normal(size=count).astype(rng.choice(["f4", "f8"]))
    if seed % 5 == 0:
        scores[rng.integers(count)] = rng.choice([-np.inf, 1e30])
    curve = roc(scores, target)
    p_miss, p_fa = rates(*curve.counts())
    points = np.array([errors_at(scores, target, t) for t in thresholds_of(scores)])
    for threshold, miss, false_alarm in zip(curve.thresholds, p_miss, p_fa):
        assert (miss, false_alarm) == pytest.approx(errors_at(scores, target, threshold))
    # The crossing of P_miss = P_fa, by a walk over the edges between all thresholds.
    gap = points[:, 0] - points[:, 1]
    k = int(np.argmax(gap >= 0))
    share = -gap[k - 1] / (gap[k] - gap[k - 1])
    expected = (1 - share) * points[k - 1] + share * points[k]
    assert equal_error_rate(p_miss, p_fa) == pytest.approx(expected[0])
    assert expected[0] == pytest.approx(expected[1])
    found = summary(curve, (0.01, 0.5), llr=True)
    for p in (0.01, 0.5):
        costs = (p * points[:, 0] + (1 - p) * points[:, 1]) / min(p, 1 - p)
        assert found[f"mindcf_{p}"] == pytest.approx(costs.min(), abs=1e-5)
        assert found[f"actdcf_{p}"] >= found[f"mindcf_{p}"] - 1e-5
    hull = det_points(curve)
    assert (np.diff(hull[:, 0]) >= 0).all()
    slopes = np.diff(hull[:, 0]) / np.maximum(np.diff(-hull[:, 1]), 1e-12)
    assert (np.diff(slopes) > 0).all()
    for miss, false_alarm, threshold in hull:
        assert (miss, false_alarm) == pytest.approx(errors_at(scores, target, threshold))
    assert all(np.isfinite(v) or np.isinf(scores).any() for v in found.values())


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("ties", [False, True])
def test_the_order_is_that_of_a_stable_sort(kind, ties):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=3000).astype(kind) * 10.0 ** rng.integers(-50 if kind == "f8" else -30, 30, 3000)
    scores = scores.round(0 if ties else 60).astype(kind)
    scores[:9] = 0.0, -0.0, np.inf, -np.inf, 0.0, -0.0, np.finfo(kind).tiny / 2, -np.finfo(kind).tiny / 2, np.inf
    np.testing.assert_array_equal(rising(scores), np.argsort(scores, kind="stable"))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_hull_against_its_definitions(seed, ties):
    scores, target = draw(seed, ties)
    missed, rejected = roc(scores, target).counts()
    hull = convex_hull(missed, rejected)
    p_miss, p_fa = rates(missed, rejected)
    corners = p_miss[hull], p_fa[hull]
    # the hull's EER is the worst Bayes error over all priors; its corners cost what the ROC's best ones do
    priors = np.linspace(0.001, 0.999, 4999)
    worst = max((p * p_miss + (1 - p) * p_fa).min() for p in priors)
    assert equal_error_rate(*corners) == pytest.approx(worst, abs=1e-4)
    assert equal_error_rate(*corners) <= equal_error_rate(p_miss, p_fa) + 1e-12
    for p in (0.01, 0.3):
        assert min_dcf(*corners, p) == pytest.approx(min_dcf(p_miss, p_fa, p))
    # minCllr: cross-entropy of scikit-learn's isotonic posteriors, brought to equal priors
    weights = np.where(target, 0.5 / target.sum(), 0.5 / (~target).sum())
    posterior = IsotonicRegression(out_of_bounds="clip").fit(scores, target, sample_weight=weights).predict(scores)
    expected = log_loss(target, np.clip(posterior, 1e-15, 1 - 1e-15), sample_weight=weights) / np.log(2)
    assert min_cllr(missed[hull], rejected[hull]) == pytest.approx(expected, abs=1e-6)
    assert expected <= cllr(scores, target) + 1e-6


@pytest.mark.parametrize("seed", range(5))
def test_calibration_costs_against_loops(seed):
    scores, target = draw(seed)
    curve = roc(scores, target)
    for p_target, c_miss, c_fa in ((0.01, 1, 1), (0.3, 10, 2)):
        threshold = -logit(p_target * c_miss / (p_target * c_miss + (1 - p_target) * c_fa))
        miss, false_alarm = errors_at(scores, target, threshold)
        expected = c_miss * p_target * miss + c_fa * (1 - p_target) * false_alarm
        expected /= min(c_miss * p_target, c_fa * (1 - p_target))
        assert actual_dcf(curve, p_target, c_miss, c_fa) == pytest.approx(expected)
        found = summary(curve, (p_target,), c_miss, c_fa, llr=True)
        assert found[f"mindcf_{p_target}"] <= found[f"actdcf_{p_target}"]
    expected = np.mean([np.log2(1 + np.exp(-s)) for s in scores[target]])
    expected = 0.5 * (expected + np.mean([np.log2(1 + np.exp(s)) for s in scores[~target]]))
    assert cllr(scores, target) == pytest.approx(expected)


def test_true_ratios_are_calibrated():
    rng = np.random.default_rng(0)
    target = rng.random(200_000) < 0.5
    ratios = rng.normal(np.where(target, 2.0, -2.0), 2.0)  # N(±d/2, d): their own log-likelihood ratio
    found = summary(roc(ratios, target), (0.1,), llr=True)
    assert found["cllr"] == pytest.approx(found["mincllr"], abs=0.002)
    assert found["actdcf_0.1"] == pytest.approx(found["mindcf_0.1"], abs=0.005)
    assert found["eer"] == pytest.approx(15.87, abs=0.3)  # Phi(-1)


def test_extremes():
    target = np.array([True] * 5 + [False] * 5)
    assert summary(roc(target * 1.0, target))["eer"] == 0
    assert summary(roc(target * 1.0, target))["mindcf_0.01"] == 0
    assert summary(roc(-1.0 * target, target))["eer"] == 100
    assert summary(roc(np.zeros(10), target))["eer"] == pytest.approx(50)
    assert summary(roc(np.zeros(10), target))["mindcf_0.05"] == 1


def test_a_worked_case():
    target = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
    scores = np.array([0.9, 0.8, 0.7, 0.3, 0.6, 0.2, 0.1, 0.0])
    assert summary(roc(scores, target))["eer"] == pytest.approx(25)


def test_scores_that_give_no_rates_are_named():
    with pytest.raises(RecipeError, match="without a single nontarget"):
        roc(np.ones(3), np.ones(3, bool))
    with pytest.raises(RecipeError, match="without a single target"):
        roc(np.ones(3), np.zeros(3, bool))
    with pytest.raises(RecipeError, match="trial 2 has the score NaN"):
        roc(np.array([1, np.nan]), np.array([True, False]))
    with pytest.raises(RecipeError, match="p_target"):
        summary(roc(np.array([1.0, 0.0]), np.array([True, False])), (1.5,))
