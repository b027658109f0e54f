"""Training batches: the utterances of each step are a function of (seed, epoch)."""

from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from ..errors import RecipeError
from .crops import Crops, FeatureCrops


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
