"""Mel filters. tests/unit/data/test_fbank.py compares the energies behind them with Kaldi's."""

import numpy as np
import pytest

from dlglc.data.mel import fft_length, frame_length, mel, mel_filters
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import FbankSettings


def settings(*words):
    return load_settings(FbankSettings, None, words)


def test_lengths():
    assert (frame_length(settings()), fft_length(settings())) == (400, 512)
    assert fft_length(settings("frame_length_ms=32")) == 512


def test_filters_are_triangles_with_their_tops_equally_spaced_in_mel():
    filters = mel_filters(settings("num_mel_bins=20", "low_freq=0", "high_freq=8000"))
    assert filters.shape == (256, 20)
    hertz = np.arange(256) * 16000 / 512
    tops = np.linspace(0, mel(np.array(8000.0)), 22)[1:-1]
    assert (np.abs(mel(hertz[filters.argmax(0)]) - tops) < mel(hertz[1])).all()
    between = (mel(hertz) >= tops[0]) & (mel(hertz) <= tops[-1])
    np.testing.assert_allclose(filters[between].sum(1), 1)  # each falls as the next one rises


def test_filters_without_a_bin_are_refused():
    with pytest.raises(RecipeError, match="num_mel_bins 200: some filters contain no FFT bin"):
        mel_filters(settings("num_mel_bins=200"))
