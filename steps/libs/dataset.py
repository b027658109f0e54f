"""Training batches: which utterances, which crops, which augmentation — all functions of (seed, epoch, utterance)."""

from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from .archive import Stored
from .audio import Recordings
from .augment import PLAN, Augmenter, read_crops
from .cli import RecipeError
from .datadir import read_columns
from .fbank import Fbank


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
        """(crops, N) share in [0, 1) of where each crop can begin; drawn once an epoch, a generator a row is dear."""
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


class Views:
    """Batches to filter bank energies on the training device; the one place that knows waveforms from features."""

    def __init__(self, fbank: Fbank, augmenter: Augmenter | None):
        self.fbank = fbank
        self.augmenter = augmenter

    def __call__(self, batch: dict, v: int, augmented: bool = True) -> torch.Tensor:
        """View v of a batch as (count·B, T, F), each crop's mean over time subtracted; clean if not augmented."""
        if f"feats{v}" in batch:
            feats = batch[f"feats{v}"]
        else:
            waves = batch[f"wave{v}"].float()
            if augmented and self.augmenter:
                waves = self.augmenter.apply(waves, {k: batch[f"{k}{v}"] for k in PLAN})
            feats = self.fbank(waves)
        return feats - feats.mean(1, keepdim=True)


class Batches(Dataset):
    """The batches of one epoch: a permutation of (seed, epoch) dealt so that every utterance comes exactly once.

    Batch sizes differ by one at most, so there is no short last batch to upset batch norm, and over ranks every
    process takes the same number of steps.

    Args:
        crops: a Crops or FeatureCrops.
        batch_size: utterances per step over all ranks.
        rank, world: this process among how many.
        parts: of a step, that each process takes one after the other; items are parts, step by step.
    """

    def __init__(self, crops, batch_size: int, rank: int = 0, world: int = 1, parts: int = 1):
        if len(crops.ids) < 2 * world * parts:
            raise RecipeError(
                f"{len(crops.ids)} training utterances for {world} processes and accumulate: {parts}: need two or more "
                "for each"
            )
        self.crops = crops
        self.rank, self.world, self.parts = rank, world, parts
        # Two utterances on every rank and in every part at least: batch norm needs them.
        self.num_steps = max(1, min(-(-len(crops.ids) // batch_size), len(crops.ids) // (2 * world * parts)))
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle for an epoch."""
        self.epoch = epoch
        order = np.random.default_rng((self.crops.seed, epoch)).permutation(len(self.crops.ids))
        steps = np.array_split(order, self.num_steps)
        mine = (np.array_split(step, self.world)[self.rank] for step in steps)
        self.rows = [part for rows in mine for part in np.array_split(rows, self.parts)]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: int) -> dict:
        return self.crops.batch(self.epoch, self.rows[part])

    def loader(self, epoch: int, first_step: int, workers: int, pin: bool):
        """Iterate over the parts of an epoch's batches from `first_step` on."""
        self.set_epoch(epoch)
        return DataLoader(
            self,
            batch_size=None,
            sampler=range(first_step * self.parts, len(self)),
            num_workers=workers,
            pin_memory=pin,
            prefetch_factor=2 if workers else None,
        )


def open_crops(inputs: str, args, fbank: Fbank, augment_config: dict, views) -> tuple:
    """The crops that a trainer's options ask for, and their augmenter or None.

    Args:
        inputs: wav or feats.
        args: with data_dir, noise, rirs, seed.
    """
    if inputs == "feats":
        return FeatureCrops(args.data_dir, fbank, views, args.seed), None
    if inputs != "wav":
        raise RecipeError(f"input '{inputs}': choose wav or feats")
    augmenter = None
    if args.noise or args.rirs:
        augmenter = Augmenter(augment_config, args.noise, args.rirs, fbank.sample_rate)
    return Crops(args.data_dir, fbank, views, augmenter, args.seed), augmenter
