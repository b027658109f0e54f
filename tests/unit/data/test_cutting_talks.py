"""Whole talks cut into utterances: where the pauses are is known, as they were put there."""

import itertools

import numpy as np
import pytest
import soundfile

from dlglc.data import cutting
from dlglc.data.cutting import RATE, Cutter
from dlglc.data.spool import Spool

PAUSE = 1.2  # s


@pytest.fixture(scope="module")
def cutter():
    return Cutter()


@pytest.fixture(scope="module")
def talk(speech):
    """Twelve utterances of several people with pauses between, (N,) float32, and (start, end) of each pause."""
    rng = np.random.default_rng(0)
    parts, pauses, length = [], [], 0
    for path in itertools.islice((paths[i] for i in range(2) for paths in speech), 12):
        samples = soundfile.read(path, dtype="float32")[0]
        quiet = rng.normal(0, 1e-4, int(PAUSE * RATE)).astype(np.float32)
        parts += [samples, quiet]
        pauses.append((length + len(samples), length + len(samples) + len(quiet)))
        length += len(samples) + len(quiet)
    return np.concatenate(parts), pauses


def check(found, talk, longest=10.0, shortest=1.0):
    """Rising, without overlap, of a right length, never across a pause, and nearly all that is said is there."""
    samples, pauses = talk
    assert len(found) >= 4
    inside = np.zeros(len(samples), bool)
    for (start, end), (following, _) in zip(found, [*found[1:], (len(samples), 0)]):
        assert 0 <= start < end <= following
        assert shortest <= (end - start) / RATE <= longest + 0.25  # and silence on both sides
        inside[start:end] = True
    for start, end in pauses:
        assert not inside[start + int(0.4 * RATE) : end - int(0.4 * RATE)].any()
    power = np.square(samples)
    assert power[inside].sum() > 0.9 * power.sum()


def test_utterances_never_cross_a_pause(cutter, talk):
    check(cutter.cut(talk[0]), talk)


@pytest.mark.parametrize("longest", [3.0, 6.0])
def test_utterances_are_no_longer_than_wanted(talk, longest):
    check(Cutter(longest=longest).cut(talk[0]), talk, longest)


@pytest.mark.parametrize("level", [1e-3, 10.0])
def test_the_level_does_not_matter(cutter, talk, level):
    check(cutter.cut(talk[0] * np.float32(level)), talk)


def test_speech_without_a_pause_is_split(cutter, talk):
    samples, pauses = talk
    inside = np.ones(len(samples), bool)
    for start, end in pauses:
        inside[start:end] = False
    check(cutter.cut(samples[inside]), (samples[inside], []))


def test_a_stretch_that_ends_in_the_middle_of_speech_loses_nothing(cutter, talk, monkeypatch):
    monkeypatch.setattr(cutting, "STRETCH", 5 * RATE)
    found = cutter.cut(talk[0])
    check(found, talk)


def test_samples_in_a_file_are_cut_as_those_in_memory(cutter, talk, tmp_path):
    talk[0].tofile(tmp_path / "talk")
    with open(tmp_path / "talk", "rb") as file:
        assert cutter.cut(Spool(file, len(talk[0]))) == cutter.cut(talk[0])


def test_pauses_are_never_joined_and_short_gaps_are(cutter):
    """The times are the detector's, which leaves 0.1 s of silence on both sides."""

    def speech(*times):
        return [(int(start * RATE), int(end * RATE)) for start, end in times]

    assert cutter.joined(speech((0, 2), (2.25, 4))) == speech((0, 4))  # a gap of 0.45 s
    assert cutter.joined(speech((0, 2), (2.35, 4))) == speech((0, 2), (2.35, 4))  # a pause of 0.55 s
