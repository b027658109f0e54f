"""Training batches: the utterances of each step are a function of (seed, epoch)."""

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ..errors import RecipeError
from .crops import AnyCrops, Batch


class Batches(Dataset[Batch]):
    """The batches of all epochs. In an epoch every utterance is in one, in an order that depends on (seed, epoch).

    The sizes of batches differ by at most one. So there is no short last batch, which would disturb batch norm, and
    every process takes the same number of steps.

    Args:
        crops: the training data.
        batch_size: utterances per step over all processes.
        rank: number of this process, from 0.
        world: number of processes.
        parts: parts of a step, which each process computes one after the other. The items of this dataset are parts,
            counted through all epochs.

    Raises:
        RecipeError: too few utterances, or too small a batch, for the processes and parts.
    """

    def __init__(self, crops: AnyCrops, batch_size: int, rank: int = 0, world: int = 1, parts: int = 1):
        if len(crops.ids) < 2 * world * parts:
            raise RecipeError(
                f"{len(crops.ids)} training utterances for {world} processes and accumulate: {parts}: each part needs "
                "two or more utterances; use fewer processes or a smaller accumulate"
            )
        if batch_size < 2 * world * parts:
            raise RecipeError(
                f"batch_size {batch_size} for {world} processes and accumulate: {parts}: each part needs two or more "
                f"utterances: set batch_size to {2 * world * parts} or more, or use fewer processes"
            )
        self.crops = crops
        self.rank, self.world, self.parts = rank, world, parts
        # Every part on every process needs at least two utterances, for batch norm.
        self.num_steps = max(1, min(-(-len(crops.ids) // batch_size), len(crops.ids) // (2 * world * parts)))
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Shuffle the utterances for an epoch (from 0)."""
        self.epoch = epoch
        order = np.random.default_rng((self.crops.seed, epoch)).permutation(len(self.crops.ids))
        steps = np.array_split(order, self.num_steps)
        mine = (np.array_split(step, self.world)[self.rank] for step in steps)
        self.rows = [part for rows in mine for part in np.array_split(rows, self.parts)]

    def __len__(self) -> int:
        """Parts of an epoch."""
        return len(self.rows)

    def __getitem__(self, index: int) -> Batch:
        epoch, part = divmod(index, len(self))
        if epoch != self.epoch:
            self.set_epoch(epoch)
        batch = self.crops.batch(epoch, self.rows[part])
        if get_worker_info() is not None:
            share(batch)
        return batch

    def loader(self, epochs: range, first_step: int, workers: int, pin: bool) -> DataLoader[Batch]:
        """Iterate over the parts of the batches of several epochs.

        The reading processes start once. While the last batches of an epoch are computed, they read the first ones of
        the next epoch.

        Args:
            epochs: from 0.
            first_step: step of the first of these epochs to begin with.
            workers: reading processes; 0 = this process reads.
            pin: read into pinned memory, for a GPU.
        """
        first = epochs.start * len(self) + first_step * self.parts
        return DataLoader(
            self,
            batch_size=None,
            sampler=range(first, epochs.stop * len(self)),
            num_workers=workers,
            pin_memory=pin,
            prefetch_factor=2 if workers else None,
            # Each iteration draws a number. Drawn from torch's own generator, it would differ in a resumed run.
            generator=torch.Generator(),
        )


def share(batch: Batch) -> None:
    """Move a batch of a reading process into shared memory.

    The queue of the process would do this in a thread of its own. A failure there is lost, and the training would wait
    for the batch for ever.

    Raises:
        RecipeError: the system gives no shared memory.
    """
    try:
        for tensor in batch.values():
            tensor.share_memory_()
    except RuntimeError as error:
        raise RecipeError(
            f"a reading process cannot hand over its batch: {str(error).splitlines()[0]}: make room in /dev/shm, "
            "raise the largest file size (ulimit -f), or set workers: 0"
        ) from None
