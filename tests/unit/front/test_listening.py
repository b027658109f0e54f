"""Recordings of any kind, and stretches of speech."""

import os

import numpy as np
import pytest
import soundfile
import soxr

import dlglc
from dlglc.errors import RecipeError
from dlglc.front.listening import EMPTY_BAND, Listener, band_remarks, find_speech
from support.audio_files import FORMS, tones, write_form


@pytest.fixture(scope="module")
def listener():
    return Listener(16000)


@pytest.mark.parametrize("form", ["pcm24", "mu-law", "flac", "opus", "mp3", "m4a", "webm"])
def test_any_format(listener, tmp_path, form):
    found = listener.open(write_form(tmp_path / f"a.{FORMS[form].ending}", form))
    assert len(found.samples) == pytest.approx(32000, abs=2000)
    assert 0.1 < np.abs(found.samples[0:32000]).max() < 0.6


def test_a_narrow_band_is_remarked(listener, tmp_path):
    assert any(
        remark.startswith("8000 Hz") for remark in listener.open(write_form(tmp_path / "a.wav", "mu-law")).remarks
    )
    assert listener.open(write_form(tmp_path / "b.wav", "pcm16")).remarks == []


def test_a_narrow_band_in_a_wide_file_is_remarked(listener):
    """As when telephone speech was converted to 16 kHz; 16 bits leave rounding noise in the empty band."""
    wide = np.random.default_rng(0).normal(0, 0.05, 8 * 16000).astype("f4")
    narrow = soxr.resample(soxr.resample(wide, 16000, 8000), 8000, 16000)
    said = [
        band_remarks(listener.open(samples), [(16000, 40000), (48000, 128000)])
        for samples in (wide, narrow, np.rint(narrow * 32768).astype(np.int16))
    ]
    assert [len(remarks) for remarks in said] == [0, 1, 1]
    assert "no sound above 4 kHz" in said[1][0]
    told = listener.open(narrow)._replace(remarks=[f"8000 Hz: {EMPTY_BAND}"])
    assert band_remarks(told, [(0, 128000)]) == band_remarks(listener.open(narrow), []) == []


def test_samples_of_the_caller_are_those_of_the_file(listener, tmp_path):
    wide = tones(1, 48000).astype("f4")
    soundfile.write(tmp_path / "a.wav", wide, 48000, subtype="FLOAT")
    from_file = listener.open(tmp_path / "a.wav").samples[0:16000].copy()
    np.testing.assert_allclose(listener.open(wide, 48000).samples, from_file, atol=1e-6)
    narrow = np.rint(wide * 32767).astype(np.int16)
    np.testing.assert_allclose(listener.open(narrow, 48000).samples, from_file, atol=1e-3)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(16000), "silent"),
        (np.ones((2, 16000)), r"shape \(2, 16000\)"),
        (np.full(16000, 20000.0), "divide int16 by 32768"),
        (np.full(16000, np.nan), "NaN"),
        (np.ones(16000, dtype=np.int64), "int64"),
        (np.ones(1600) / 2, r"0\.10 s are too short"),
        (np.ones(0), "empty"),
    ],
)
def test_samples_that_cannot_be_used(listener, samples, message):
    with pytest.raises(RecipeError, match=message):
        listener.open(samples)


def test_any_name(listener, tmp_path):
    for name in (b"a b.wav", b"\xff\n.wav", "Å.wav".encode(), b"true |"):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
        with open(path, "wb") as file:
            soundfile.write(file, tones(1, 16000), 16000, format="WAV")
        found = listener.open(path)
        assert (found.name, len(found.samples)) == (path, 16000)
    with pytest.raises(RecipeError, match="would run a program"):
        listener.open("echo |")


def test_files_that_cannot_be_used_are_named(listener, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no audio " * 99)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    for name, message in (("empty", "an empty file"), ("text", "a text file"), ("silent", "silent"), ("no", "no such")):
        with pytest.raises(RecipeError, match=rf"{name}\.wav: .*{message}"):
            listener.open(tmp_path / f"{name}.wav")


def test_speech_is_found_between_pauses(bundles):
    detector = dlglc.load(bundles.unlabelled).detector
    voices = [soundfile.read(paths[0], dtype="float32")[0] for paths in bundles.speech[:2]]
    pause = np.zeros(16000, dtype="f4")
    samples = np.concatenate([pause, voices[0], pause, voices[1], pause])
    found = find_speech(detector, samples, 16000)
    spoken = np.zeros(len(samples), dtype=bool)
    for start, end in found:
        spoken[start:end] = True
    middle = 16000 + len(voices[0]) + 8000
    assert not spoken[:8000].any() and not spoken[middle - 4000 : middle + 4000].any() and not spoken[-8000:].any()
    assert spoken.sum() > 0.4 * sum(map(len, voices))
    assert find_speech(detector, tones(3, 16000).astype("f4"), 16000) == []
    with pytest.raises(RecipeError, match="16000 Hz only"):
        find_speech(detector, samples, 8000)
