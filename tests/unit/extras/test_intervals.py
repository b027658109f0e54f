"""Intervals of a record, and speakers of trials as utt2spk says."""

import numpy as np
import pytest

from dlglc.data.tables import write_table
from dlglc.errors import RecipeError
from dlglc.extras.bootstrap import bootstrap, interval
from dlglc.extras.intervals import trial_speakers, with_intervals
from dlglc.scoring.metrics import roc, summary

POINTS = ((0.01, 0.05), 1.0, 1.0)


@pytest.fixture
def systems():
    """The ROCs of two systems on the same trials, and the speakers of both sides."""
    rng = np.random.default_rng(0)
    enrol, test = rng.integers(15, size=(2, 400))
    test[::2] = enrol[::2]
    target = enrol == test
    return [roc(rng.normal(gap * target), target) for gap in (1.5, 1.0)], (enrol, test)


def test_each_rate_has_an_interval(systems):
    (curve, _), speakers = systems
    record = summary(curve, *POINTS)
    found = with_intervals(record, curve, None, speakers, POINTS, 40, 7)
    drawn = bootstrap([curve], *speakers, *POINTS, 40, 7)[0]
    assert found == record | {
        "eer_ci": interval(drawn[:, 0]),
        "mindcf_0.01_ci": interval(drawn[:, 1]),
        "mindcf_0.05_ci": interval(drawn[:, 2]),
    }
    assert found["eer_ci"][0] < record["eer"] < found["eer_ci"][1]


def test_differences_are_over_the_same_draws(systems):
    (curve, other), speakers = systems
    record, theirs = summary(curve, *POINTS), summary(other, *POINTS)
    found = with_intervals(record, curve, other, speakers, POINTS, 40, 7)["against"]
    apart = np.subtract(*bootstrap([curve, other], *speakers, *POINTS, 40, 7))
    assert found["eer_difference"] == pytest.approx(record["eer"] - theirs["eer"], abs=1e-5)
    assert found["eer_difference_ci"] == interval(apart[:, 0])
    assert found["mindcf_0.05_share_above"] == pytest.approx(np.mean(apart[:, 2] > 0), abs=1e-4)
    assert len(found) == 9


def test_speakers_of_utterances_and_of_models_by_name(tmp_path):
    write_table(tmp_path / "utt2spk", {"a1": "anna", "a2": "anna", "b1": "ben"})
    enrol, test = trial_speakers(
        ["a1", "anna", "b1"], ["a2", "b1", "b1"], [True, False, True], tmp_path / "utt2spk", tmp_path / "trials"
    )
    assert (enrol[0] == test[0], enrol[1] == test[1], enrol[2] == test[2]) == (True, False, True)
    assert enrol[0] == enrol[1]


@pytest.mark.parametrize(
    ("trial", "message"),
    [
        (("a1", "x9", True), r"trials:2: no speaker for 'x9' in .*utt2spk"),
        (("a1", "b1", True), r"trials:2: a1 b1 is a target trial, but .*utt2spk says otherwise"),
        (("a1", "a1", False), r"trials:2: a1 a1 is a nontarget trial"),
    ],
)
def test_trials_that_contradict_the_speakers_are_named(tmp_path, trial, message):
    write_table(tmp_path / "utt2spk", {"a1": "anna", "b1": "ben"})
    enrol, test, same = zip(("a1", "b1", False), trial)
    with pytest.raises(RecipeError, match=message):
        trial_speakers(enrol, test, same, tmp_path / "utt2spk", tmp_path / "trials")
