"""The form of filter bank and encoder for other programs computes what both compute."""

import numpy as np
import pytest
import torch

from dlglc.data.fbank import Fbank
from dlglc.encoders.waveform import FULL_SCALE, WaveformEncoder, spectrum_kernels
from dlglc.settings import load_settings
from dlglc.settings.schema import FbankSettings


class Keep(torch.nn.Module):
    """An encoder that returns its features."""

    embedding_dim = 80

    def forward(self, feats):
        return feats


@pytest.mark.parametrize(
    "words",
    [[], ["window=hamming", "preemphasis=0", "sample_rate=8000", "num_mel_bins=40"], ["window=povey", "full_scale=1"]],
)
def test_features_are_those_of_the_filter_bank(words):
    fbank = Fbank(load_settings(FbankSettings, None, words))
    rng = np.random.default_rng(0)
    waveforms = torch.from_numpy(rng.uniform(-0.5, 0.5, (3, 5000)).astype("f4"))
    waveforms[1] *= 1e-3
    waveforms[2] += 0.2
    expected = fbank(waveforms * FULL_SCALE)
    found = WaveformEncoder(fbank, Keep())(waveforms)
    torch.testing.assert_close(found, expected - expected.mean(1, keepdim=True), rtol=0, atol=2e-3)


def test_kernels_are_the_spectrum_of_a_frame(fbank):
    frame = torch.randn(fbank.length, dtype=torch.float64)
    centred = frame - frame.mean()
    emphasised = centred - fbank.preemphasis * torch.cat([centred[:1], centred[:-1]])
    expected = torch.fft.rfft(emphasised * fbank.window.double(), n=fbank.nfft)[:-1]
    found = spectrum_kernels(fbank).squeeze(1) @ frame
    torch.testing.assert_close(found, torch.cat([expected.real, expected.imag]))
