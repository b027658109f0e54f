"""On-the-fly augmentation of waveforms.

The reading processes draw what is done to each crop. The training device applies it to whole batches.
"""

from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..arrays import Array
from ..errors import RecipeError
from ..settings.schema import AugmentSettings
from .audio import KeptRecordings, Recordings, read_crops
from .tables import read_table

PLAN = ("rir_row", "rir", "noise_row", "noise", "snr")  # keys of the plan that Augmenter.apply takes
KEPT_SAMPLES = 2**24  # noise that a reading process keeps in memory: 17 minutes at 16 kHz, 32 MiB
SPECTRA_BYTES = 2**28  # most memory for the spectra of all impulse responses, for each length of crop
READERS = 8  # threads that read the impulse responses: on a shared file system each file takes time to open

Drawn = tuple[int, float, Array | None]  # of a crop: impulse response or -1, SNR in dB, noise (samples,) int16 or None
CLEAN: Drawn = (-1, 0.0, None)


class Augmenter:
    """Reverberation or additive noise for crops of waveforms.

    A reading process draws, and reads the noise. The impulse responses are loaded when they are first applied, so that
    only the training process has them in memory.

    Args:
        settings: of conf/augment.yaml.
        noise_dir: data directory of noise clips. Its utt2spk has the kind of each clip (noise, speech, babble, music).
        rir_dir: data directory of room impulse responses.
        sample_rate: Hz.

    Raises:
        RecipeError: a kind of noise has no SNR range, or a clip cannot be read.
    """

    def __init__(self, settings: AugmentSettings, noise_dir: Path | None, rir_dir: Path | None, sample_rate: int):
        self.probability = settings.probability
        self.reverb_share = settings.reverb_share if noise_dir else 1.0
        self.both_share = settings.both_share if noise_dir and rir_dir else 0.0
        if not rir_dir:
            self.reverb_share = 0.0
        if not noise_dir and not rir_dir:
            self.probability = 0.0
        self.noises: Recordings | None = None
        if noise_dir:
            self.noises = Recordings(noise_dir, sample_rate)
            if self.noises.num_samples.sum() <= KEPT_SAMPLES:
                self.noises = KeptRecordings(noise_dir, sample_rate)
            kinds = read_table(Path(noise_dir) / "utt2spk")
            self.by_kind: dict[str, list[int]] = {}
            for i, utt in enumerate(self.noises.ids):
                self.by_kind.setdefault(kinds[utt], []).append(i)
            unknown = set(self.by_kind) - set(settings.snr_db)
            if unknown:
                raise RecipeError(
                    f"{noise_dir}/utt2spk: no SNR range for the kind '{min(unknown)}': its 2nd column must be one of "
                    f"{', '.join(settings.snr_db)}, or add the kind to snr_db in conf/augment.yaml"
                )
            self.snr = {kind: tuple(settings.snr_db[kind]) for kind in self.by_kind}
        self.rirs = Recordings(rir_dir, sample_rate, probe=False) if rir_dir else None
        self.rir_samples = int(settings.max_rir_seconds * sample_rate)
        self.bank: torch.Tensor | None = None
        self.spectra: dict[int, torch.Tensor] = {}  # size of the FFT: spectra of the whole bank

    def __getstate__(self) -> dict[str, Any]:
        """Without the impulse responses: a reading process, to which this goes, needs none and has no GPU."""
        return {**self.__dict__, "bank": None, "spectra": {}}

    def draw(self, rng: np.random.Generator, samples: int) -> Drawn:
        """Draw the augmentation of one crop of `samples` samples."""
        if rng.random() >= self.probability:
            return CLEAN
        both = rng.random() < self.both_share
        rir = -1
        if both or rng.random() < self.reverb_share:
            assert self.rirs is not None  # without impulse responses, both shares are 0
            rir = int(rng.integers(len(self.rirs)))
            if not both:
                return rir, 0.0, None
        kind = sorted(self.by_kind)[rng.integers(len(self.by_kind))]
        clip = self.by_kind[kind][rng.integers(len(self.by_kind[kind]))]
        low, high = self.snr[kind]
        snr = low + (high - low) * rng.random()
        noise = np.empty(samples, dtype=np.int16)
        assert self.noises is not None  # without noise, reverb_share is 1, or probability is 0
        read_crops(self.noises, clip, [rng.random()], [noise])
        return rir, snr, noise

    @staticmethod
    def plan(drawn: list[Drawn], samples: int) -> dict[str, torch.Tensor]:
        """Turn what was drawn for the crops of a batch into the tensors that apply takes. Its keys are PLAN."""
        noisy = [(row, noise, snr) for row, (_, snr, noise) in enumerate(drawn) if noise is not None]
        rir = torch.tensor([rir for rir, _, _ in drawn], dtype=torch.int64)
        noise = np.empty((len(noisy), samples), dtype=np.int16)
        for out, (_, clip, _) in zip(noise, noisy):
            out[:] = clip
        return {
            "rir_row": torch.nonzero(rir >= 0).squeeze(1),
            "rir": rir[rir >= 0],
            "noise_row": torch.tensor([row for row, _, _ in noisy], dtype=torch.int64),
            "noise": torch.from_numpy(noise),
            "snr": torch.tensor([snr for _, _, snr in noisy], dtype=torch.float32),
        }

    @torch.no_grad()
    def apply(self, waves: torch.Tensor, plan: dict[str, torch.Tensor]) -> torch.Tensor:
        """Apply a plan: reverberation and additive noise. This never waits for a GPU.

        Args:
            waves: (B, samples) in the int16 range, int16 or float32.
            plan: rir_row (R,) int64, crops with reverberation, and rir (R,) int64, their impulse responses.
                noise_row (M,) int64, crops with noise, their noise (M, samples) int16 and snr (M,) float32, dB.

        Returns:
            (B, samples) float32, a new tensor. Reverberation does not change the energy of a crop.

        Raises:
            RecipeError: an impulse response cannot be read. This is found in the first call with reverberation.
        """
        waves = waves.to(torch.float32, copy=True)
        rows = plan["rir_row"]
        if len(rows):
            if self.bank is None:
                assert self.rirs is not None  # without impulse responses, no row of a plan has one
                self.bank = load_rirs(self.rirs, self.rir_samples).to(waves.device)
            dry = waves[rows]
            size = fast_length(waves.shape[1] + self.rir_samples - 1)
            wet = torch.fft.irfft(torch.fft.rfft(dry, size) * self.responses(plan["rir"], size), size)
            wet = wet[:, : waves.shape[1]]  # causal, as long as the crop
            gain = (dry.square().sum(-1) / wet.square().sum(-1).clamp(min=1e-3)).sqrt()
            waves[rows] = wet * gain.unsqueeze(-1)
        rows = plan["noise_row"]
        if len(rows):
            noise = plan["noise"].float()
            speech_power = waves[rows].square().mean(-1)
            noise_power = noise.square().mean(-1).clamp(min=1e-3)
            gain = (speech_power / noise_power * torch.pow(10.0, -plan["snr"] / 10)).sqrt()
            waves.index_add_(0, rows, noise * gain.unsqueeze(-1))
        return waves

    def responses(self, rows: torch.Tensor, size: int) -> torch.Tensor:
        """Spectra of impulse responses with unit energy, (R, size / 2 + 1) complex.

        Args:
            rows: (R,) int64.
            size: of the FFT.
        """
        assert self.bank is not None  # loaded by apply
        if size not in self.spectra and len(self.bank) * size * 4 > SPECTRA_BYTES:
            return spectra(self.bank[rows], size)
        if size not in self.spectra:
            self.spectra[size] = spectra(self.bank, size)
        return self.spectra[size][rows]


def spectra(responses: torch.Tensor, size: int) -> torch.Tensor:
    """Spectra of impulse responses (R, L) int16, scaled to unit energy, as (R, size / 2 + 1) complex."""
    wide = responses.float()
    unit = wide / wide.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-6)
    spectrum: torch.Tensor = torch.fft.rfft(unit, size)
    return spectrum


def fast_length(n: int) -> int:
    """The smallest 2^a·3^b·5^c >= n. An FFT of such a length is fast."""
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


def load_rirs(recordings: Recordings, samples: int) -> torch.Tensor:
    """All impulse responses, (R, samples) int16. Each row begins at the strongest sample, the direct path."""
    bank = np.zeros((len(recordings), samples), dtype=np.int16)

    def load(i: int) -> None:
        response = recordings.read(i)
        response = response[np.abs(response.astype(np.float32)).argmax() :][:samples]
        bank[i, : len(response)] = response

    with ThreadPool(READERS) as pool:
        pool.map(load, range(len(recordings)))
    return torch.from_numpy(bank)
