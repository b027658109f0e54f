"""The gate: thresholds, fallbacks, sharpened targets. (Mixture and crossing themselves: test_gmm.py.)"""

import math

import numpy as np
import pytest
import torch

from dlglc.errors import RecipeError
from dlglc.rounds.gate import decide_gate
from dlglc.rounds.loss import correction_targets

GATE = load_config("dlglc")["gate"]


def losses(count=4000, low=-3.0, high=2.0, seed=0):
    rng = np.random.default_rng(seed)
    return np.exp(np.concatenate([rng.normal(low, 0.6, count * 3 // 4), rng.normal(high, 0.4, count // 4)]))


def test_dynamic_threshold_parts_two_clear_modes():
    decision = decide_gate(GATE, losses(), None, 1)
    assert decision.how == "crossing"
    assert -1.5 < decision.threshold < 1.5
    kept = np.log(losses()) <= decision.threshold
    assert kept[:3000].mean() > 0.99
    assert kept[3000:].mean() < 0.01


def test_unseen_and_zero_losses_do_no_harm():
    values = losses()
    values[::7] = np.nan
    values[1::9] = 0.0
    assert math.isfinite(decide_gate(GATE, values, None, 1).threshold)


def test_fixed_thresholds_follow_the_rounds():
    fixed = {**GATE, "mode": "fixed"}
    found = [math.exp(decide_gate(fixed, None, None, r).threshold) for r in (1, 2, 5, 9)]
    assert found == pytest.approx([1, 3, 6, 6])


def test_without_a_crossing_the_previous_threshold_stands_in_and_nothing_raises():
    same = np.full(500, 2.0)
    assert decide_gate(GATE, same, 0.9, 1).threshold == 0.9
    assert decide_gate(GATE, same, 0.9, 1).how == "previous"
    assert decide_gate(GATE, same, None, 1).how in ("posterior", "none")
    assert decide_gate(GATE, None, None, 1).threshold == math.inf


def test_a_gate_that_would_keep_nothing_opens_or_stops():
    high = np.exp(np.random.default_rng(0).normal(2.0, 0.1, 500))
    for gate, values in (({**GATE, "mode": "fixed"}, high), (GATE, np.full(500, 7.0))):
        decision = decide_gate(gate, values, -3.0, 1)
        assert (decision.threshold, decision.how) == (math.inf, "opened")
    with pytest.raises(RecipeError, match=r"keeps 0\.00 % of the labels.*gate\.from_epoch"):
        decide_gate({**GATE, "mode": "fixed", "on_failure": "stop"}, high, None, 1)


def test_off_and_unknown():
    assert decide_gate({**GATE, "mode": "none"}, losses(), None, 1).threshold == math.inf
    with pytest.raises(RecipeError, match=r"gate\.mode"):
        decide_gate({**GATE, "mode": "soft"}, losses(), None, 1)
    with pytest.raises(RecipeError, match=r"on_failure"):
        decide_gate({**GATE, "on_failure": "close"}, losses(), None, 1)


def test_sharpened_targets():
    cosines = torch.tensor([[0.50, 0.40, 0.10], [0.300, 0.299, 0.1]])
    soft, confidence, best = correction_targets(cosines, 32.0, 0.1, hard=False)
    expected = torch.softmax(cosines * 32 / 0.1, dim=-1)
    torch.testing.assert_close(soft, expected)
    torch.testing.assert_close(confidence, expected.max(-1).values)
    assert best.tolist() == [0, 0]
    hard, *_ = correction_targets(cosines, 32.0, 0.1, hard=True)
    assert hard.tolist() == [[1, 0, 0], [1, 0, 0]]


def test_a_lead_of_0_028_is_enough_for_confidence_one_half_of_7500_classes():
    cosines = torch.zeros(1, 7500)
    cosines[0, 3] = 0.028
    assert correction_targets(cosines, 32.0, 0.1, hard=False)[1].item() == pytest.approx(0.5, abs=0.02)
