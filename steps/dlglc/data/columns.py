"""Tables of a million lines as columns: strings in one mapped buffer, and no Python object for each line."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from .tables import read_table

_LINES = 1 << 16  # lines looked at together
_BYTES = 1 << 24


class Column(Sequence):
    """N strings in one buffer, a file mapped into memory as a rule: 16 bytes for each and no Python object.

    Processes that read the same table share its pages. Elements are decoded when they are asked for.

    Args:
        data: (B,) uint8, UTF-8.
        start, stop: (N,) int64, bytes [start, stop) of each element.
    """

    def __init__(self, data: np.ndarray, start: np.ndarray, stop: np.ndarray):
        self._data, self._start, self._stop = data, start, stop

    @classmethod
    def of(cls, strings: Iterable[str]) -> "Column":
        """A column of strings that are in memory."""
        encoded = [string.encode() for string in strings]
        lengths = np.array([len(e) for e in encoded], dtype=np.int64)
        stop = np.cumsum(lengths)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), stop - lengths, stop)

    def __len__(self) -> int:
        return len(self._start)

    def __getitem__(self, i: int) -> str:
        return self._data[self._start[i] : self._stop[i]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        for part in self.parts():
            yield from (element.decode() for element in part.tolist())

    def __eq__(self, other) -> bool:
        if isinstance(other, Column):
            return len(self) == len(other) and all(
                np.array_equal(a, b) for a, b in zip(self.parts(), other.parts(), strict=True)
            )
        return list(self) == list(other)

    def parts(self) -> Iterator[np.ndarray]:
        """The elements as byte strings (dtype S), some ten thousand at a time."""
        for first in range(0, len(self), _LINES):
            start, stop = self._start[first : first + _LINES], self._stop[first : first + _LINES]
            width = np.arange(max(1, int((stop - start).max())))
            at = start[:, None] + width
            inside = at < stop[:, None]
            letters = np.where(inside, self._data[np.where(inside, at, 0)], 0).astype(np.uint8)
            yield letters.view(f"S{len(width)}")[:, 0]

    def numbers(self) -> np.ndarray:
        """(N,) int64: the elements as whole numbers. ValueError where one is none."""
        return np.concatenate([part.astype(np.int64) for part in self.parts()])


def read_columns(path: str | Path) -> tuple[Column, Column]:
    """read_table for a million lines: keys and values as columns; a second, and no object for each line.

    Raises:
        RecipeError: as read_table.
    """
    try:
        data = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError):  # missing, or empty
        data = np.zeros(0, np.uint8)
    ends, blanks = _places(data, b"\n"), _places(data, b" \t")
    if len(data) and data[-1] != ord("\n"):
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    split = np.append(blanks, len(data))[np.searchsorted(blanks, starts)]  # the first blank of each line
    regular = len(ends) > 0 and bool(((split > starts) & (split + 1 < ends)).all())
    if regular:
        # One blank before the value, none after it, no carriage return: all else goes the slow way.
        edges = np.concatenate([data[split + 1], data[ends - 1]])
        keys = Column(data, starts, split)
        regular = not np.isin(edges, list(b" \t\r\v\f")).any() and _ascending(keys)
    if regular:
        return keys, Column(data, split + 1, ends)
    table = read_table(path)
    return Column.of(table), Column.of(table.values())


def _places(data: np.ndarray, letters: bytes) -> np.ndarray:
    """Where the bytes stand, int64."""
    found = [np.zeros(0, np.int64)]
    for first in range(0, len(data), _BYTES):
        part = data[first : first + _BYTES]
        here = part == letters[0]
        for letter in letters[1:]:
            here |= part == letter
        found.append(np.flatnonzero(here) + first)
    return np.concatenate(found)


def _ascending(keys: Column) -> bool:
    last = b""
    for part in keys.parts():
        if part[0] <= last or not (part[1:] > part[:-1]).all():
            return False
        last = part[-1]
    return True
