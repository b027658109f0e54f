"""conf/fbank.yaml and conf/augment.yaml: what is refused, and that the edges of the ranges still work."""

import pytest
import torch

from dlglc.data.fbank import Fbank
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, FbankSettings
from support.settings import refusal


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (
            "sample_rate=8000 high_freq=7600",
            "high_freq: low_freq 20 and high_freq 7600 leave no band: 0 <= low < high <= 4000 Hz",
        ),
        ("low_freq=300 high_freq=200", "low_freq 300 and high_freq 200 leave no band"),
        ("high_freq=-8000", "low_freq 20 and high_freq -8000 leave no band"),
        ("high_freq=8001", "leave no band"),
        ("frame_shift_ms=30", "frame_shift_ms: frames of 25 ms every 30 ms leave gaps"),
        ("frame_length_ms=5", "--set frame_length_ms=5: frame_shift_ms: frames of 5 ms every 10 ms leave gaps"),
    ],
)
def test_settings_that_cancel_each_other_are_refused(words, part):
    assert part in refusal(FbankSettings, words.split())


def test_a_range_of_ratios_goes_up():
    assert "snr_db.music: the range goes from 15 down to 5 dB" in refusal(AugmentSettings, ["snr_db.music=[15, 5]"])
    assert load_settings(AugmentSettings, None, ["snr_db.music=[5, 5]"]).snr_db["music"] == [5.0, 5.0]


def test_high_freq_counts_from_half_the_sample_rate_where_it_is_not_positive():
    assert load_settings(FbankSettings).highest_freq == 8000
    assert load_settings(FbankSettings, None, ["high_freq=-400"]).highest_freq == 7600
    assert load_settings(FbankSettings, None, ["high_freq=7000"]).highest_freq == 7000


@pytest.mark.parametrize("rate", [1000, 8000, 16000, 192000])
@pytest.mark.parametrize("seconds", [0.1, 60])
@pytest.mark.parametrize("shift", [1, 50])
def test_the_shortest_and_longest_crops_have_frames_that_differ(rate, seconds, shift):
    words = [f"sample_rate={rate}", f"frame_shift_ms={shift}", "frame_length_ms=50", "num_mel_bins=4"]
    fbank = Fbank(load_settings(FbankSettings, None, words))
    frames = round(seconds / (fbank.shift / fbank.sample_rate))  # as data/crops.py has it
    assert frames >= 2  # of one, nothing is left after its mean over time is subtracted
    assert fbank.num_frames(fbank.num_samples(frames)) == frames


@pytest.mark.parametrize("rate", [1000, 16000, 192000])
@pytest.mark.parametrize("length", [2, 200])
def test_every_frame_length_gives_finite_energies_or_an_error_with_a_remedy(rate, length):
    words = [f"sample_rate={rate}", f"frame_length_ms={length}", "frame_shift_ms=1", "num_mel_bins=1"]
    try:
        fbank = Fbank(load_settings(FbankSettings, None, words))
    except RecipeError as error:
        assert "num_mel_bins" in str(error)
        return
    assert torch.isfinite(fbank(torch.randn(1, rate))).all()


def test_the_shortest_impulse_response_has_a_sample():
    seconds = load_settings(AugmentSettings, None, ["max_rir_seconds=0.01"]).max_rir_seconds
    assert int(seconds * 1000) >= 1
