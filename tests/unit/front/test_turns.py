"""Who spoke when: windows, turns, RTTM, and the error on made conversations."""

import numpy as np
import pytest

import dlglc
from dlglc.errors import RecipeError
from dlglc.front.turns import Turn, find_turns, join_windows, rttm
from dlglc.front.windows import cut_windows
from support.audio_files import tones
from support.conversations import diarisation_error, make_conversation, overlapped


@pytest.fixture(scope="module")
def model(bundles):
    return dlglc.load(bundles.labelled)


def test_turns_from_windows():
    stretches = [(0, 48000), (52000, 84000), (160000, 192000)]
    windows = cut_windows(stretches, 16000)
    assert len(windows) == 4
    found = join_windows(windows, np.array([1, 0, 0, 1]), stretches, 16000)
    # the middles of the first two windows are 1 s and 2 s; the second pause is short, the third is long
    assert found == [Turn(0, 1.5, 0), Turn(1.5, 5.25, 1), Turn(10, 12, 0)]
    for name in ("a\tb.wav", "a\u2028b.wav", "a\nb.wav", "a\udcffb.wav"):
        assert rttm(name, found)[1].split(" ")[1] == "a_b"
    assert rttm("", found)[1].split(" ")[1] == "recording"
    assert rttm("a b.wav", found)[1] == "SPEAKER a_b 1 1.500 3.750 <NA> <NA> voice2 <NA> <NA>"


def test_a_conversation(model, bundles):
    """The encoder has random weights: the number of voices is given, and only gross errors count."""
    samples, truth = make_conversation(bundles.speech[:2], 0)
    found = find_turns(model, samples, 0.1, voices=2)
    assert {turn.voice for turn in found} == {0, 1}
    assert diarisation_error(truth, found)["missed"] < 0.5
    assert diarisation_error(truth, found)["false_alarm"] < 0.1
    with pytest.raises(RecipeError, match="no speech was found"):
        find_turns(model, tones(5, 16000).astype("f4"), 0.1)


def test_the_error_by_hand():
    truth = [Turn(0, 10, 0), Turn(10, 20, 1)]
    assert diarisation_error(truth, [Turn(0, 10, 1), Turn(10, 20, 0)])["der"] == 0
    found = diarisation_error(truth, [Turn(0, 5, 0), Turn(5, 10, 1), Turn(10, 15, 1), Turn(21, 22, 0)], collar=0)
    assert found == pytest.approx({"der": 0.55, "missed": 0.25, "false_alarm": 0.05, "confusion": 0.25})


def test_the_error_where_two_speak_at_once():
    truth = [Turn(0, 10, 0), Turn(6, 14, 1)]
    found = diarisation_error(truth, [Turn(0, 10, 0), Turn(10, 14, 1)], collar=0)
    assert found == pytest.approx({"der": 4 / 18, "missed": 4 / 18, "false_alarm": 0, "confusion": 0})
    assert overlapped(truth) == pytest.approx(4 / 14)


def test_conversations_with_overlap(bundles):
    samples, truth = make_conversation(bundles.speech[:2], 0, overlap=1.0)
    assert len(samples) == pytest.approx(16000 * max(turn.end for turn in truth))
    assert 0.05 < overlapped(truth) < 0.6
    assert overlapped(make_conversation(bundles.speech[:2], 0)[1]) == 0
