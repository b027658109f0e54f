"""Kaldi's mel filters. Without torch, so that settings are checked in a moment."""

import numpy as np

from ..arrays import Array
from ..errors import RecipeError
from ..settings.schema import FbankSettings


def frame_length(settings: FbankSettings) -> int:
    """Samples of a frame."""
    return round(settings.sample_rate * settings.frame_length_ms / 1000)


def fft_length(settings: FbankSettings) -> int:
    """Length of the FFT of a frame: the next power of two."""
    return 1 << (frame_length(settings) - 1).bit_length()


def mel_filters(settings: FbankSettings) -> Array:
    """Kaldi's triangular filters, equally spaced in mel(f) = 1127 ln(1 + f/700) from low_freq to high_freq.

    Args:
        settings: of conf/fbank.yaml.

    Returns:
        (FFT length / 2, num_mel_bins) weights of the FFT bins, float64.

    Raises:
        RecipeError: a filter is so narrow that it contains no FFT bin.
    """
    low, high = mel(np.array([settings.low_freq, settings.highest_freq]))
    edges = np.linspace(low, high, settings.num_mel_bins + 2)
    nfft = fft_length(settings)
    bins = np.arange(nfft // 2)  # Kaldi leaves the Nyquist bin out
    at = mel(bins * settings.sample_rate / nfft)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    weights: Array = np.minimum((at - left) / (centre - left), (right - at) / (right - centre)).clip(min=0)
    if (weights.sum(0) == 0).any():
        raise RecipeError(
            f"fbank num_mel_bins {settings.num_mel_bins}: some filters contain no FFT bin: use fewer bins"
        )
    return weights


def mel(hertz: Array) -> Array:
    """Frequencies on Kaldi's mel scale."""
    return np.asarray(1127.0 * np.log1p(hertz / 700.0))
