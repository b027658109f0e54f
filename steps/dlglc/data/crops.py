"""Training crops: which stretch of an utterance, and what augments it; all functions of (seed, epoch, utterance)."""

from pathlib import Path

import numpy as np
import torch

from ..errors import RecipeError
from .arks import Stored
from .audio import Recordings, read_crops
from .augment import Augmenter
from .columns import read_columns
from .fbank import Fbank

Views = list[tuple[int, float]]  # crops per utterance, and seconds of each
Batch = dict[str, torch.Tensor]


class Crops:
    """Random crops of the recordings of a data directory, as waveforms with an augmentation plan.

    Args:
        data_dir: training data directory.
        fbank: gives the sample rate and the samples a number of frames needs.
        views: list of (crops per utterance, seconds), e.g. [(2, 3.0), (4, 2.0)] for DINO.
        augmenter: None for clean crops.
        seed: of everything drawn here.
    """

    def __init__(self, data_dir, fbank: Fbank, views, augmenter: Augmenter | None, seed: int):
        self.recordings = Recordings(data_dir, fbank.sample_rate)
        self.ids = self.recordings.ids
        frame_seconds = fbank.shift / fbank.sample_rate
        self.views = [(count, fbank.num_samples(round(seconds / frame_seconds))) for count, seconds in views]
        self.augmenter = augmenter
        self.seed = seed

    def batch(self, epoch: int, rows: np.ndarray) -> dict:
        """One batch of utterances.

        Returns:
            index (B,) int64, and per view v: wave{v} (count·B, samples) int16, crop-major,
            and Augmenter.plan with v behind each key, when there is an augmenter.
        """
        batch = {"index": torch.from_numpy(rows)}
        waves = [np.empty((count * len(rows), samples), dtype=np.int16) for count, samples in self.views]
        drawn = [[None] * len(wave) for wave in waves]
        for b, row in enumerate(rows):
            rng = np.random.default_rng((self.seed, epoch, int(row)))
            crops, places = [], []
            for v, wave in enumerate(waves):
                for at in range(b, len(wave), len(rows)):
                    crops.append(wave[at])
                    places.append(rng.random())
                    if self.augmenter:
                        drawn[v][at] = self.augmenter.draw(rng, wave.shape[1])
            read_crops(self.recordings, row, places, crops)
        for v, wave in enumerate(waves):
            batch[f"wave{v}"] = torch.from_numpy(wave)
            if self.augmenter:
                batch |= {f"{key}{v}": part for key, part in Augmenter.plan(drawn[v], wave.shape[1]).items()}
        return batch


class FeatureCrops:
    """Random crops of ark features (feats.scp): the same batches with feats{v} (count·B, frames, F), not augmented."""

    def __init__(self, data_dir, fbank: Fbank, views, seed: int):
        self.scp = Path(data_dir) / "feats.scp"
        self.ids, self.where = read_columns(self.scp)
        frame_seconds = fbank.shift / fbank.sample_rate
        self.views = [(count, round(seconds / frame_seconds)) for count, seconds in views]
        self.num_mel_bins = fbank.num_mel_bins
        self.seed = seed
        self.drawn = None, None

    def batch(self, epoch: int, rows: np.ndarray) -> dict:
        """One batch, see Crops.batch."""
        batch = {"index": torch.from_numpy(rows)}
        stored = [self.stored(row) for row in rows]
        places = iter(self.places(epoch)[:, rows])
        for v, (count, frames) in enumerate(self.views):
            feats = np.empty((count * len(rows), frames, self.num_mel_bins), dtype=np.float32)
            wanted = []
            for _ in range(count):
                for row, matrix, place in zip(rows, stored, next(places).tolist()):
                    wanted.append((row, matrix, int(place * (max(matrix.shape[0] - frames, 0) + 1))))
                    matrix.fetch(wanted[-1][2], frames)
            for (row, matrix, start), out in zip(wanted, feats):
                self.read(row, matrix, start, out)
            batch[f"feats{v}"] = torch.from_numpy(feats)
        return batch

    def places(self, epoch: int) -> np.ndarray:
        """(crops, N) share in [0, 1) of where each crop can begin; drawn once an epoch: a generator for each row is slow."""
        if epoch != self.drawn[0]:
            crops = sum(count for count, _ in self.views)
            rng = np.random.default_rng((self.seed, epoch))
            self.drawn = epoch, rng.random((crops, len(self.ids)), dtype=np.float32)
        return self.drawn[1]

    def load(self, row: int) -> np.ndarray:
        """All frames of one utterance, (T, F) float32."""
        stored = self.stored(row)
        return self.read(row, stored, 0, np.empty(stored.shape, dtype=np.float32))

    def stored(self, row: int) -> Stored:
        """One utterance's features, not read yet."""
        try:
            stored = Stored(self.where[row])
        except Exception as error:  # kaldiio raises many kinds on a broken ark; all mean the same to the user
            raise self.unreadable(row, error) from error
        if len(stored.shape) != 2 or stored.shape[1] != self.num_mel_bins:
            raise RecipeError(
                f"{self.scp}:{row + 1}: {self.ids[row]} has shape {stored.shape}, expected (T, {self.num_mel_bins})"
            )
        return stored

    def read(self, row: int, stored: Stored, start: int, out: np.ndarray) -> np.ndarray:
        """Fill (frames, F) with frames from `start` on; an utterance of fewer is repeated."""
        try:
            if stored.shape[0] >= len(out):
                return stored.read(start, out)
            out[:] = np.resize(stored.read(), out.shape)
            return out
        except (OSError, ValueError) as error:
            raise self.unreadable(row, error) from error

    def unreadable(self, row: int, error: Exception) -> RecipeError:
        return RecipeError(f"{self.scp}:{row + 1}: cannot read {self.where[row]}: {error}; run stage 2 again")


def open_crops(
    inputs: str, data_dir: Path, fbank: Fbank, augmenter: Augmenter | None, views: Views, seed: int
) -> "Crops | FeatureCrops":
    """The crops that the setting `input` asks for.

    Args:
        inputs: wav or feats.
        data_dir: training data directory.
        augmenter: of waveforms; features are never augmented.
        views: see Crops.
        seed: of everything that is drawn.
    """
    if inputs == "feats":
        return FeatureCrops(data_dir, fbank, views, seed)
    return Crops(data_dir, fbank, views, augmenter, seed)
