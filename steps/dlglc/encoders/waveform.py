"""A filter bank and an encoder as one network, in a form that other programs can run (ONNX)."""

import torch
from torch import nn
from torch.nn import functional as F

from ..data.fbank import Fbank, encoder_input
from .base import Encoder

FULL_SCALE = 32768.0  # the filter bank takes samples in the int16 range


class WaveformEncoder(nn.Module):
    """Waveforms (B, N) in [-1, 1] to embeddings (B, D), without FFT and without unfold.

    What data.fbank.Fbank does to a frame before the squares is linear: the mean is subtracted, then come pre-emphasis,
    window and Fourier transform. So one matrix (samples of a frame, real and imaginary parts of the bins) does all of
    it. A convolution with the shift of the frames as its stride applies this matrix to every frame.

    Args:
        fbank: the filter bank of the encoder's features.
        encoder: the encoder, in evaluation mode.
    """

    spectrum: torch.Tensor
    mel: torch.Tensor

    def __init__(self, fbank: Fbank, encoder: Encoder):
        super().__init__()
        self.encoder = encoder
        self.shift = fbank.shift
        # The floor of the energies is a number of its own, so quiet frames depend on the full scale of the features.
        self.register_buffer("spectrum", FULL_SCALE * fbank.scale * spectrum_kernels(fbank).float())
        self.register_buffer("mel", fbank.mel.T.unsqueeze(2).clone())

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Compute the embeddings, each of the whole waveform. N must be at least one frame."""
        real, imaginary = F.conv1d(waveforms.unsqueeze(1), self.spectrum, stride=self.shift).chunk(2, dim=1)
        energies = F.conv1d(real * real + imaginary * imaginary, self.mel)
        feats = energies.clamp(min=torch.finfo(torch.float32).eps).log().transpose(1, 2)
        embeddings: torch.Tensor = self.encoder(encoder_input(feats, None))
        return embeddings


def spectrum_kernels(fbank: Fbank) -> torch.Tensor:
    """The linear part of a filter bank: (nfft, 1, samples of a frame) float64.

    The first nfft / 2 kernels give the real parts of the bins below the Nyquist frequency, the others the imaginary
    parts.
    """
    length = fbank.length
    frame = torch.eye(length, dtype=torch.float64)  # column i: the response to sample i
    frame = frame - 1 / length
    before = torch.cat([frame[:1], frame[:-1]])  # Kaldi takes the first sample as its own predecessor
    shaped = fbank.window.double()[:, None] * (frame - fbank.preemphasis * before)
    bins = torch.fft.rfft(shaped, n=fbank.nfft, dim=0)[: fbank.nfft // 2]  # the mel filters leave the Nyquist bin out
    return torch.cat([bins.real, bins.imag]).unsqueeze(1)
