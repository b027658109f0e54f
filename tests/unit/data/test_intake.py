"""Recordings of any format as mono at the recipe's rate: mixing, resampling, levels, and what cannot be used."""

import numpy as np
import pytest
import soundfile

from dlglc.data.intake import Intake, gain_for, resampled, to_mono
from dlglc.data.readers import BLOCK

RNG = np.random.default_rng(0)
NOISE = RNG.integers(-9000, 9000, 20000).astype(np.int16)


@pytest.fixture
def take(tmp_path):
    """take(samples, rate, …) → what the intake makes of them as a WAV."""
    intake = Intake(16000, tmp_path)

    def write_and_take(samples, rate=16000, channel=None, subtype="PCM_16"):
        soundfile.write(tmp_path / "a.wav", samples, rate, subtype=subtype)
        return intake.take(str(tmp_path / "a.wav"), channel)

    return write_and_take


def test_sixteen_bits_stay_exact(take):
    found = take(NOISE)
    assert (found.notes, found.exact) == ([], True)
    assert found.format[:3] == ("PCM_16", 16000, 1)
    np.testing.assert_array_equal(np.rint(found.samples[:] * 32768), NOISE)


def test_one_recording_after_the_other(take):
    for samples in (NOISE, NOISE[:500], NOISE[::-1].copy()):
        np.testing.assert_array_equal(np.rint(take(samples).samples[:] * 32768), samples)


def test_channels_are_mixed_or_taken(take):
    other = RNG.integers(-9000, 9000, 20000).astype(np.int16)
    both = np.stack([NOISE, other], 1)
    mixed = take(both)
    assert (mixed.notes, mixed.exact) == (["mixed"], False)
    np.testing.assert_allclose(mixed.samples[:], (NOISE / 2 + other / 2) / 32768, atol=1e-6)
    for channel, samples in enumerate((NOISE, other)):
        found = take(both, channel=channel)
        assert (found.notes, found.exact) == (["split"], True)
        np.testing.assert_array_equal(np.rint(found.samples[:] * 32768), samples)
    with pytest.raises(ValueError, match="channel 3"):
        take(both, channel=2)


def test_channels_of_opposite_phase_are_not_mixed(take):
    found = take(np.stack([NOISE // 2, -NOISE], 1)[:, ::1])
    assert found.notes == ["mixed"]  # half of it is left
    found = take(np.stack([NOISE, -NOISE], 1))
    assert found.notes == ["opposite-phase"]
    assert np.abs(np.rint(found.samples[:] * 32768)).tolist() == np.abs(NOISE.astype(int)).tolist()


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_another_rate_keeps_a_tone(take, rate):
    tone = np.rint(8000 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate)).astype(np.int16)
    found = take(tone, rate)
    assert (found.notes, found.exact) == (["resampled"], False)
    assert len(found.samples) == pytest.approx(32000, abs=2)
    middle = np.asarray(found.samples[8000:24000])
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(16000)))
    assert spectrum.argmax() == 440
    expected = 8000 / 32768 * np.sin(2 * np.pi * 440 * np.arange(8000, 24000) / 16000)
    np.testing.assert_allclose(middle, expected, atol=2e-3)


def test_resampling_does_not_depend_on_the_blocks():
    samples = RNG.normal(0, 0.1, 30000).astype(np.float32)
    whole = np.concatenate(list(resampled([samples], 44100, 16000)))
    parts = np.concatenate(list(resampled(np.array_split(samples, 7), 44100, 16000)))
    np.testing.assert_allclose(parts, whole, atol=1e-6)
    same = list(resampled(np.array_split(samples, 3), 16000, 16000))
    np.testing.assert_array_equal(np.concatenate(same), samples)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(4000), "silent"),
        (np.full(4000, 0.25), "silent"),  # an offset is no sound
        (np.where(np.arange(4000) == 7, np.nan, 0.1 * np.sin(np.arange(4000))), "1 samples are NaN or infinite"),
        (np.zeros(0), "no sample"),
    ],
)
def test_samples_that_cannot_be_used(take, samples, words):
    with pytest.raises(ValueError, match=words):
        take(samples, subtype="FLOAT")


@pytest.mark.parametrize(
    ("samples", "note"),
    [
        (np.clip(NOISE.astype(int) * 8, -32768, 32767).astype(np.int16), "clipped"),
        (NOISE + np.int16(2000), "dc-offset"),
    ],
)
def test_what_is_odd_is_noted(take, samples, note):
    assert take(samples).notes == [note]


def test_what_exceeds_full_scale_is_noted(take):
    assert take(NOISE / 5000.0, subtype="FLOAT").notes == ["above-full-scale"]


def test_levels_that_sixteen_bits_do_not_serve():
    wave = np.sin(np.arange(3 * BLOCK // 2)).astype(np.float32)
    assert gain_for(0.5 * wave, exact=False) == (1.0, None)
    gain, note = gain_for(3 * wave, exact=False)
    assert note == "scaled-down"
    assert 0.999 < np.abs(3 * wave * gain).max() < 1
    gain, note = gain_for(1e-4 * wave, exact=False)
    assert note == "scaled-up"
    assert np.abs(1e-4 * wave * gain).max() == pytest.approx(0.1, rel=1e-4)
    assert gain_for(1e-4 * wave, exact=True) == (1.0, None)  # more than 16 bits there are not
    assert gain_for(0 * wave, exact=False) == (1.0, None)


def test_mono_of_blocks():
    block = np.array([[1.0, 3.0], [5.0, -5.0]], dtype=np.float32)
    assert to_mono(block, None).tolist() == [2.0, 0.0]
    assert to_mono(block, 1).tolist() == [3.0, -5.0]
    assert to_mono(block[:, :1], None).tolist() == [1.0, 5.0]
