"""The gate: thresholds and what stands in for them. (Mixture and crossing themselves: test_mixture.py.)"""

import math
from typing import get_args

import numpy as np
import pytest
import torch

from dlglc.errors import RecipeError
from dlglc.rounds.gate import GATES, SMALLEST_LOSS, Evidence, GateDecision, decide_gate, log_loss, log_losses
from dlglc.settings import load_settings
from dlglc.settings.schema import DlglcSettings, GateSettings


def gate(**changes):
    """The section `gate` of conf/dlglc.yaml with changes."""
    words = ["correction.mode=none", *(f"gate.{key}={value}" for key, value in changes.items())]
    return load_settings(DlglcSettings, None, words).gate


GATE = gate()


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
    fixed = gate(mode="fixed")
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
    for settings, values in ((gate(mode="fixed"), high), (GATE, np.full(500, 7.0))):
        decision = decide_gate(settings, values, -3.0, 1)
        assert (decision.threshold, decision.how) == (math.inf, "opened")
    with pytest.raises(RecipeError, match=r"keeps 0\.00 % of the labels.*gate\.from_epoch"):
        decide_gate(gate(mode="fixed", on_failure="stop"), high, None, 1)


def test_off_and_unknown():
    assert decide_gate(gate(mode="none"), losses(), None, 1).threshold == math.inf
    with pytest.raises(RecipeError, match=r"gate\.mode.*'soft'"):
        gate(mode="soft")
    with pytest.raises(RecipeError, match=r"gate\.on_failure.*'close'"):
        gate(on_failure="close")


def test_every_mode_of_the_settings_is_a_gate():
    modes = get_args(GateSettings.model_fields["mode"].annotation)
    assert sorted(modes) == sorted(GATES)
    for mode in modes:
        assert isinstance(GATES[mode](gate(mode=mode), Evidence(None, None, 1)), GateDecision)


def test_the_posterior_stands_in_where_no_threshold_was_before():
    """A narrow lower component over a wide upper one: their densities cross beyond the upper mean only."""
    rng = np.random.default_rng(0)
    values = np.exp(np.concatenate([rng.normal(0.0, 0.5, 9000), rng.normal(0.6, 2.0, 1000)]))
    first = decide_gate(GATE, values, None, 1)
    assert first.how == "posterior"
    assert first.threshold > first.mixture["means"][1] > first.mixture["means"][0]
    assert decide_gate(GATE, values, 0.9, 1) == GateDecision(0.9, "previous", first.mixture)


def test_losses_of_zero_are_evidence():
    """A loss of exactly 0 is the most trusted of all, not one that was never seen."""
    zeros = np.zeros(300, np.float32)
    decision = decide_gate(gate(mode="fixed", min_kept=0.999), np.concatenate([zeros, zeros]), None, 1)
    assert decision.how == "fixed"
    half = decide_gate(gate(mode="fixed", min_kept=0.6), np.concatenate([zeros, zeros + 9]), None, 1)
    assert half.how == "opened"
    assert decide_gate(gate(mode="fixed", min_kept=0.5), np.concatenate([zeros, zeros + 9]), None, 1).how == "fixed"


def test_unseen_losses_are_no_evidence():
    values = np.concatenate([np.full(100, 0.5), np.full(900, np.nan)])
    assert decide_gate(gate(mode="fixed", min_kept=0.9), values, None, 1).how == "fixed"


def test_log_losses_have_a_floor():
    values = np.array([0.0, 1e-12, 1.0, 20.0])
    expected = [math.log(SMALLEST_LOSS)] * 2 + [0.0, math.log(20)]
    np.testing.assert_allclose(log_losses(values), expected)
    torch.testing.assert_close(log_loss(torch.from_numpy(values)), torch.tensor(expected, dtype=torch.float64))
