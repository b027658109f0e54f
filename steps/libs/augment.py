"""On-the-fly augmentation: what to do is drawn where data is read, and done in batches on the training device."""

from pathlib import Path

import numpy as np
import torch

from .audio import Recordings
from .cli import RecipeError
from .datadir import read_table


class Augmenter:
    """Reverberation or additive noise for crops of waveforms.

    Args:
        config: the keys of conf/augment.yaml.
        noise_dir: data directory of noise clips whose utt2spk names each one's kind (noise, speech, babble, music).
        rir_dir: data directory of room impulse responses.
        sample_rate: Hz.

    Raises:
        RecipeError: a kind without an SNR range, an unreadable clip.
    """

    def __init__(self, config: dict, noise_dir, rir_dir, sample_rate: int):
        self.probability = config["probability"]
        self.reverb_share = config["reverb_share"] if noise_dir else 1.0
        self.both_share = config["both_share"] if noise_dir and rir_dir else 0.0
        if not rir_dir:
            self.reverb_share = 0.0
        if not noise_dir and not rir_dir:
            self.probability = 0.0
        self.noises = None
        if noise_dir:
            self.noises = Recordings(noise_dir, sample_rate)
            kinds = read_table(Path(noise_dir) / "utt2spk")
            self.by_kind: dict[str, list[int]] = {}
            for i, utt in enumerate(self.noises.ids):
                self.by_kind.setdefault(kinds[utt], []).append(i)
            unknown = set(self.by_kind) - set(config["snr_db"])
            if unknown:
                raise RecipeError(
                    f"{noise_dir}/utt2spk: no SNR range for the kind '{min(unknown)}': its 2nd column must be one of "
                    f"{', '.join(config['snr_db'])}, or add the kind to snr_db in conf/augment.yaml"
                )
            self.snr = {kind: tuple(config["snr_db"][kind]) for kind in self.by_kind}
        self.rirs = torch.zeros(0, 1)
        if rir_dir:
            self.rirs = _rir_bank(rir_dir, sample_rate, config["max_rir_seconds"])

    def draw(self, rng: np.random.Generator, samples: int) -> tuple[int, float, np.ndarray | None]:
        """Choose for one crop: (impulse response or -1, SNR in dB, noise of `samples` int16 or None)."""
        if rng.random() >= self.probability:
            return -1, 0.0, None
        both = rng.random() < self.both_share
        rir = -1
        if both or rng.random() < self.reverb_share:
            rir = int(rng.integers(len(self.rirs)))
            if not both:
                return rir, 0.0, None
        kind = sorted(self.by_kind)[rng.integers(len(self.by_kind))]
        clip = self.by_kind[kind][rng.integers(len(self.by_kind[kind]))]
        low, high = self.snr[kind]
        snr = low + (high - low) * rng.random()
        return rir, snr, read_crop(self.noises, clip, samples, rng.random())

    @torch.no_grad()
    def apply(self, waves: torch.Tensor, plan: dict) -> torch.Tensor:
        """Reverberate or add noise to the crops that the plan names.

        Args:
            waves: (B, samples) float32 in the int16 range.
            plan: rir (B,) int64; noise_row (M,) int64, noise (M, samples) int16, snr (M,) float32 dB.

        Returns:
            (B, samples), a new tensor; every crop keeps the energy it had before reverberation.
        """
        waves = waves.clone()
        rows = torch.nonzero(plan["rir"] >= 0).squeeze(1)
        if len(rows):
            if self.rirs.device != waves.device:
                self.rirs = self.rirs.to(waves.device)
            dry = waves[rows]
            wet = fft_convolve(dry, self.rirs[plan["rir"][rows]])
            gain = (dry.square().sum(-1) / wet.square().sum(-1).clamp(min=1e-3)).sqrt()
            waves[rows] = wet * gain.unsqueeze(-1)
        rows = plan["noise_row"]
        if len(rows):
            noise = plan["noise"].float()
            speech_power = waves[rows].square().mean(-1)
            noise_power = noise.square().mean(-1).clamp(min=1e-3)
            gain = (speech_power / noise_power * torch.pow(10.0, -plan["snr"] / 10)).sqrt()
            waves[rows] += noise * gain.unsqueeze(-1)
        return waves


def read_crop(recordings: Recordings, i: int, samples: int, place: float) -> np.ndarray:
    """A crop of exactly `samples`, beginning at the fraction `place` of where it can; repeated if too short."""
    spare = int(recordings.num_samples[i]) - samples
    if spare >= 0:
        return recordings.read(i, int(place * (spare + 1)), samples)
    return np.resize(recordings.read(i), samples)


def fft_convolve(waves: torch.Tensor, filters: torch.Tensor) -> torch.Tensor:
    """Causal convolution (B, T) with (B, L), cut to T samples."""
    size = fast_length(waves.shape[1] + filters.shape[1] - 1)
    product = torch.fft.rfft(waves, size) * torch.fft.rfft(filters, size)
    return torch.fft.irfft(product, size)[:, : waves.shape[1]]


def fast_length(n: int) -> int:
    """Smallest 2^a·3^b·5^c >= n: lengths at which an FFT is quick."""
    best = 1 << (n - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            twos = three << max(0, (-(-n // three) - 1).bit_length())
            best = min(best, twos)
            three *= 3
        five *= 5
    return best


def _rir_bank(rir_dir, sample_rate: int, max_seconds: float) -> torch.Tensor:
    """All responses as (R, L) float32 rows that begin at their strongest sample (the direct path), at unit energy."""
    recordings = Recordings(rir_dir, sample_rate)
    bank = np.zeros((len(recordings), int(max_seconds * sample_rate)), dtype=np.float32)
    for i in range(len(recordings)):
        response = recordings.read(i).astype(np.float32)
        response = response[np.abs(response).argmax() :][: bank.shape[1]]
        bank[i, : len(response)] = response / max(np.sqrt(np.square(response).sum()), 1e-6)
    return torch.from_numpy(bank)
