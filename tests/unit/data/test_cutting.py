"""Long recordings cut where nobody speaks: neighbours joined, lengths bounded, levels brought up."""

import numpy as np
import pytest

from dlglc.data.cutting import FRAME, PAD, RATE, STRETCH, Cutter, speech_probabilities


@pytest.fixture(scope="module")
def cutter():
    return Cutter()


def seconds(*pieces):
    return [(round(start * RATE), round(end * RATE)) for start, end in pieces]


def test_neighbours_over_short_gaps_are_joined_up_to_the_longest(cutter):
    gap = cutter.pause - 2 * PAD - 0.05  # the detector has left some silence on both sides
    assert cutter.joined(seconds((0, 2), (2 + gap, 4), (5, 7))) == seconds((0, 4), (5, 7))
    assert cutter.joined(seconds((0, 6), (6.1, 11))) == seconds((0, 6), (6.1, 11))
    assert cutter.joined(seconds((0, 6), (6.1, 9.9))) == seconds((0, 9.9))


def test_what_stays_too_short_is_left_out(cutter):
    assert cutter.joined(seconds((0, 0.5), (3, 5), (7, 7.9))) == seconds((3, 5))
    assert cutter.joined([]) == []


def test_real_speech_is_cut_in_its_pauses(cutter, speech_and_silence):
    samples = speech_and_silence.astype(np.float32) / 32768
    found = cutter.cut(samples)
    assert len(found) >= 2
    for (start, end), (following, _) in zip(found, [*found[1:], (len(samples), 0)]):
        assert 0 <= start < end <= following
        assert cutter.shortest <= (end - start) / RATE <= cutter.longest + 0.2
    # What is left out is quiet: it holds next to nothing of the power.
    outside = np.ones(len(samples), bool)
    for start, end in found:
        outside[start:end] = False
    assert np.square(samples[outside]).sum() < 0.05 * np.square(samples).sum()


def test_a_quiet_recording_is_cut_as_a_loud_one(cutter, speech_and_silence):
    loud = speech_and_silence.astype(np.float32) / 32768
    assert cutter.cut(loud * 0.01) == cutter.cut(loud)


def test_silence_has_no_utterance(cutter):
    assert cutter.cut(np.zeros(3 * RATE, np.float32)) == []


def test_a_probability_for_each_frame_over_stretches(cutter):
    noise = np.random.default_rng(0).normal(0, 0.1, STRETCH + 1000).astype(np.float32)
    found = speech_probabilities(cutter.detector, noise)
    assert len(found) == -(-len(noise) // FRAME)
    assert ((found >= 0) & (found <= 1)).all()
