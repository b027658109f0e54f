"""Training crops: their places in the utterances and their augmentation, functions of (seed, epoch, utterance)."""

from pathlib import Path

import numpy as np
import torch

from ..arrays import Array
from ..errors import RecipeError
from .arks import StoredArray
from .audio import Recordings, read_crops
from .augment import CLEAN, Augmenter
from .columns import read_columns
from .fbank import Fbank

ViewSpecs = list[tuple[int, float]]  # of each view, the crops per utterance and their length in seconds
Batch = dict[str, torch.Tensor]  # see Crops.batch


class Crops:
    """Random crops of the recordings of a data directory, as waveforms with an augmentation plan.

    Args:
        data_dir: training data directory.
        fbank: determines the sample rate and the number of samples of a crop.
        views: crops per utterance and seconds of each view, e.g. [(2, 3.0), (4, 2.0)] for DINO.
        augmenter: None = crops are not augmented.
        seed: of places and augmentation.

    Attributes:
        seconds: of all crops of an utterance together.
    """

    def __init__(self, data_dir: str | Path, fbank: Fbank, views: ViewSpecs, augmenter: Augmenter | None, seed: int):
        self.recordings = Recordings(data_dir, fbank.sample_rate)
        self.ids = self.recordings.ids
        frame_seconds = fbank.shift / fbank.sample_rate
        self.views = [(count, fbank.num_samples(round(seconds / frame_seconds))) for count, seconds in views]
        self.seconds = seconds_of(views)
        self.augmenter = augmenter
        self.seed = seed

    def batch(self, epoch: int, rows: Array) -> Batch:
        """The crops of a batch.

        Args:
            epoch: from 0.
            rows: (B,) utterances.

        Returns:
            index (B,) int64, the utterances. For each view v: wave{v} (count·B, samples) int16, where the first B rows
            are the first crop of each utterance. With an augmenter, for each view also the tensors of Augmenter.plan,
            with v behind each key.
        """
        batch = {"index": torch.from_numpy(rows)}
        waves = [np.empty((count * len(rows), samples), dtype=np.int16) for count, samples in self.views]
        drawn = [[CLEAN] * len(wave) for wave in waves]
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
    """Random crops of features (feats.scp), without augmentation.

    The batches are like those of Crops, with feats{v} (count·B, frames, F) float32 instead of wave{v}.

    Args:
        data_dir: training data directory.
        fbank: determines the number of frames of a crop and of mel bins.
        views: as in Crops.
        seed: of places.
        hidden: (stride, X) if the frames are those of hidden.scp, see encoders/halves.py: each stands for `stride`
            frames of the filter bank, and has X elements instead of F.
    """

    def __init__(
        self, data_dir: str | Path, fbank: Fbank, views: ViewSpecs, seed: int, hidden: tuple[int, int] | None = None
    ):
        self.scp = Path(data_dir) / ("hidden.scp" if hidden else "feats.scp")
        self.ids, self.where = read_columns(self.scp)
        stride, self.num_mel_bins = hidden or (1, fbank.num_mel_bins)
        frame_seconds = stride * fbank.shift / fbank.sample_rate
        self.views = [(count, max(1, round(seconds / frame_seconds))) for count, seconds in views]
        self.seconds = seconds_of(views)
        self.seed = seed
        self.drawn: tuple[int, Array] = -1, np.empty((0, 0), dtype=np.float32)  # an epoch and its positions

    def batch(self, epoch: int, rows: Array) -> Batch:
        """The crops of a batch, see Crops.batch."""
        batch = {"index": torch.from_numpy(rows)}
        stored = [self.stored(row) for row in rows]
        positions = iter(self.positions(epoch)[:, rows])
        for v, (count, frames) in enumerate(self.views):
            feats = np.empty((count * len(rows), frames, self.num_mel_bins), dtype=np.float32)
            wanted = []
            for _ in range(count):
                for row, matrix, position in zip(rows, stored, next(positions).tolist()):
                    wanted.append((row, matrix, int(position * (max(matrix.shape[0] - frames, 0) + 1))))
                    matrix.prefetch(wanted[-1][2], frames)
            for (row, matrix, start), out in zip(wanted, feats):
                self.read(row, matrix, start, out)
            batch[f"feats{v}"] = torch.from_numpy(feats)
        return batch

    def positions(self, epoch: int) -> Array:
        """Where each crop begins, (crops, N) in [0, 1): 0 is the first possible frame, 1 the last.

        All are drawn once per epoch: one generator per utterance would be slow.
        """
        if epoch != self.drawn[0]:
            crops = sum(count for count, _ in self.views)
            rng = np.random.default_rng((self.seed, epoch))
            self.drawn = epoch, rng.random((crops, len(self.ids)), dtype=np.float32)
        return self.drawn[1]

    def load(self, row: int) -> Array:
        """All frames of one utterance, (T, F) float32."""
        stored = self.stored(row)
        return self.read(row, stored, 0, np.empty(stored.shape, dtype=np.float32))

    def stored(self, row: int) -> StoredArray:
        """The features of an utterance, not yet read."""
        try:
            stored = StoredArray(self.where[row])
        except Exception as error:  # kaldiio raises many types for a broken ark; the user needs one message
            raise self.unreadable(row, error) from error
        if len(stored.shape) != 2 or stored.shape[1] != self.num_mel_bins:
            raise RecipeError(
                f"{self.scp}:{row + 1}: {self.ids[row]} has shape {stored.shape}, expected (T, {self.num_mel_bins})"
            )
        return stored

    def read(self, row: int, stored: StoredArray, start: int, out: Array) -> Array:
        """Fill out (frames, F) with frames from `start` on. An utterance that is shorter than `out` is repeated."""
        try:
            if stored.shape[0] >= len(out):
                return stored.read(start, out)
            out[:] = np.resize(stored.read(), out.shape)
            return out
        except (OSError, ValueError) as error:
            raise self.unreadable(row, error) from error

    def unreadable(self, row: int, error: Exception) -> RecipeError:
        """The error for features that cannot be read, with file and line."""
        return RecipeError(f"{self.scp}:{row + 1}: cannot read {self.where[row]}: {error}; run stage 2 again")


class SomeCrops:
    """The crops of some utterances. They are those that the utterances have among all of them.

    Args:
        crops: of N utterances.
        rows: (n,) the chosen utterances. Here, their numbers are 0 to n-1.
    """

    def __init__(self, crops: Crops | FeatureCrops, rows: Array):
        self.crops, self.rows, self.seed, self.seconds = crops, rows, crops.seed, crops.seconds
        self.ids = [crops.ids[row] for row in rows]

    def batch(self, epoch: int, rows: Array) -> Batch:
        """The crops of a batch, see Crops.batch."""
        return self.crops.batch(epoch, self.rows[rows]) | {"index": torch.from_numpy(rows)}


def seconds_of(views: ViewSpecs) -> float:
    """Seconds of all crops of an utterance together."""
    return sum(count * seconds for count, seconds in views)


AnyCrops = Crops | FeatureCrops | SomeCrops


def open_crops(
    inputs: str, data_dir: Path, fbank: Fbank, augmenter: Augmenter | None, views: ViewSpecs, seed: int
) -> "Crops | FeatureCrops":
    """Open the training data.

    Args:
        inputs: the setting `input`: wav or feats.
        data_dir: training data directory.
        fbank: of the encoder.
        augmenter: of waveforms. Features are never augmented.
        views: see Crops.
        seed: of places and augmentation.
    """
    if inputs == "feats":
        return FeatureCrops(data_dir, fbank, views, seed)
    return Crops(data_dir, fbank, views, augmenter, seed)
