"""Kaldi-compatible log-mel filter bank energies of batches, on the device of the waveforms."""

import math

import torch
from torch import nn

from ..precision import exact_products
from ..settings.schema import FbankSettings
from .mel import fft_length, frame_length, mel_filters


class Fbank(nn.Module):
    """Waveforms to log-mel energies: Kaldi's compute-fbank-feats with dither 0 and snipped edges.

    Args:
        settings: of conf/fbank.yaml.
    """

    window: torch.Tensor
    mel: torch.Tensor

    def __init__(self, settings: FbankSettings):
        super().__init__()
        rate = settings.sample_rate
        self.sample_rate = rate
        self.length = frame_length(settings)
        self.shift = round(rate * settings.frame_shift_ms / 1000)
        self.preemphasis = settings.preemphasis
        self.scale = settings.full_scale / 32768
        self.num_mel_bins = settings.num_mel_bins
        self.nfft = fft_length(settings)

        position = torch.arange(self.length, dtype=torch.float64) / (self.length - 1)
        if settings.window == "povey":
            window = (0.5 - 0.5 * torch.cos(2 * math.pi * position)).pow(0.85)
        else:
            window = 0.54 - 0.46 * torch.cos(2 * math.pi * position)  # Hamming's
        mel = torch.from_numpy(mel_filters(settings))
        self.register_buffer("window", window.float(), persistent=False)
        self.register_buffer("mel", mel.float(), persistent=False)
        # A filter covers few FFT bins, so most of the matrix is zero. Four blocks of it contain all other elements.
        self.blocks: list[tuple[slice, slice]] = []
        for filters in torch.arange(mel.shape[1]).chunk(4):
            used = torch.nonzero(mel[:, filters].sum(1))
            self.blocks.append((_span(used), _span(filters)))

    def num_frames(self, num_samples: int) -> int:
        """Number of frames of `num_samples` samples. The last samples are left out if they do not fill a frame."""
        return max(0, 1 + (num_samples - self.length) // self.shift)

    def num_samples(self, num_frames: int) -> int:
        """The fewest samples that make `num_frames` frames."""
        return self.length + (num_frames - 1) * self.shift

    @torch.no_grad()
    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Compute the energies.

        Args:
            waveforms: (B, samples) in the int16 range, any dtype.

        Returns:
            (B, frames, mel bins) float32, natural logarithm.
        """
        with torch.autocast(waveforms.device.type, enabled=False), exact_products():
            # On a CPU, pieces whose frames fit into the cache take a fifth less time than the whole batch.
            rows = len(waveforms)
            if waveforms.device.type == "cpu":
                rows = max(1, (1 << 17) // max(1, waveforms.shape[1]))
            pieces = waveforms.split(rows)
            # The pieces share a buffer for their frames. The samples behind each frame stay zero.
            padded = self.window.new_empty(len(pieces[0]), self.num_frames(waveforms.shape[1]), self.nfft)
            padded[..., self.length :] = 0
            return torch.cat([self._energies(piece.float(), padded[: len(piece)]) for piece in pieces])

    def _energies(self, x: torch.Tensor, padded: torch.Tensor) -> torch.Tensor:
        """Log-mel energies of (B, samples) float32. padded is (B, frames, FFT size), zero behind the frames' length.

        Kaldi subtracts the mean of each frame and then applies pre-emphasis. Both are linear, so the order can be
        changed, and the pre-emphasis is computed once per sample instead of once per frame. With y = x[i] - p x[i-1]
        and the mean m of the frame, the emphasised sample is y - (1-p) m. For the first sample of a frame it is
        (1-p) (x - m), because Kaldi takes this sample as its own predecessor.
        """
        p = self.preemphasis
        if self.scale != 1:
            x = x * self.scale
        y = torch.cat([x[:, :1], torch.add(x[:, 1:], x[:, :-1], alpha=-p)], dim=1).unfold(-1, self.length, self.shift)
        frames = x.unfold(-1, self.length, self.shift)
        mean = frames.mean(-1, keepdim=True).mul_(1 - p)
        emphasised = torch.sub(y, mean, out=padded[..., : self.length])
        torch.add(-mean, frames[..., :1], alpha=1 - p, out=emphasised[..., :1])
        emphasised.mul_(self.window)
        squares = torch.view_as_real(torch.fft.rfft(padded)).square_()
        power = squares[..., 0] + squares[..., 1]
        energies = torch.cat([power[..., bins] @ self.mel[bins, filters] for bins, filters in self.blocks], dim=-1)
        return energies.clamp_(min=torch.finfo(torch.float32).eps).log_()


def _span(rising: torch.Tensor) -> slice:
    """The slice from the first to the last of some sorted numbers."""
    return slice(int(rising[0]), int(rising[-1]) + 1)


def encoder_input(x: torch.Tensor, fbank: Fbank | None) -> torch.Tensor:
    """The input of an encoder: energies of samples, or stored ones (fbank None), less their mean over time.

    Args:
        x: (B, samples) in the int16 range, or (B, T, F).
    """
    feats = x if fbank is None else fbank(x)
    return feats - feats.mean(1, keepdim=True)
