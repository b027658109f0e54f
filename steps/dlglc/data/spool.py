"""Samples of a long recording in a file instead of memory."""

import os
from typing import BinaryIO, Protocol

import numpy as np

from ..arrays import Array


class Samples(Protocol):
    """Samples that can be counted and sliced: an array, or a Spool."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Array: ...


class Spool:
    """Float32 samples in a file. A slice is read when it is asked for.

    A memory map would do the same, but its pages count as memory of the process.

    Args:
        file: an open file with nothing but samples. Whoever writes to it again changes these samples.
        count: number of samples.
    """

    def __init__(self, file: BinaryIO, count: int):
        self._file, self._count = file, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, part: slice, /) -> Array:
        start, stop, step = part.indices(self._count)
        if step != 1:
            raise ValueError("samples of a file are read without steps")
        samples = np.empty(max(0, stop - start), dtype=np.float32)
        got = os.preadv(self._file.fileno(), [samples.data], 4 * start)
        if got < samples.nbytes:
            raise OSError(f"{got} of {samples.nbytes} bytes could be read")
        return samples
