"""Tables of a million lines as columns of strings in one memory-mapped buffer, without a Python object per line."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from ..arrays import Array
from .tables import read_table

_LINES = 1 << 16  # lines that are processed together
_BYTES = 1 << 24  # bytes that are searched together


class Column(Sequence[str]):
    """N strings in one buffer, mostly a file that is mapped into memory. Each string takes 16 bytes beside the buffer.

    Processes that read the same table share its memory. An element is decoded when it is accessed.

    Args:
        data: (B,) uint8, UTF-8.
        start, stop: (N,) int64. Element i is in bytes start[i] to stop[i] - 1.
    """

    def __init__(self, data: Array, start: Array, stop: Array):
        self._data, self._start, self._stop = data, start, stop

    @classmethod
    def from_strings(cls, strings: Iterable[str]) -> "Column":
        """Make a column of strings in memory."""
        encoded = [string.encode() for string in strings]
        lengths = np.array([len(e) for e in encoded], dtype=np.int64)
        stop = np.cumsum(lengths)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), stop - lengths, stop)

    def __len__(self) -> int:
        return len(self._start)

    @overload
    def __getitem__(self, i: int) -> str: ...

    @overload
    def __getitem__(self, i: slice) -> "Column": ...

    def __getitem__(self, i: int | slice) -> "str | Column":
        if isinstance(i, slice):
            return Column(self._data, self._start[i], self._stop[i])
        text: str = self._data[self._start[i] : self._stop[i]].tobytes().decode()
        return text

    def __iter__(self) -> Iterator[str]:
        for part in self.parts():
            yield from (element.decode() for element in part.tolist())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Column):
            return len(self) == len(other) and all(
                np.array_equal(a, b) for a, b in zip(self.parts(), other.parts(), strict=True)
            )
        return isinstance(other, Iterable) and list(self) == list(other)

    def parts(self) -> Iterator[Array]:
        """The elements as byte strings (dtype S), 65,536 in each array."""
        for first in range(0, len(self), _LINES):
            start, stop = self._start[first : first + _LINES], self._stop[first : first + _LINES]
            width = np.arange(max(1, int((stop - start).max())))
            at = start[:, None] + width
            inside = at < stop[:, None]
            letters = np.where(inside, self._data[np.where(inside, at, 0)], 0).astype(np.uint8)
            yield letters.view(f"S{len(width)}")[:, 0]

    def numbers(self) -> Array:
        """The elements as whole numbers, (N,) int64.

        Raises:
            ValueError: an element is not a whole number.
        """
        for part in self.parts():
            digits = part.view(np.uint8).reshape(len(part), -1)
            good = ((digits >= ord("0")) & (digits <= ord("9")) | (digits == 0)).all(1) & (part != b"")
            if digits.shape[1] > 18 or not good.all():
                wrong = part[np.argmin(good)].decode(errors="replace")
                raise ValueError(f"'{wrong[:50]}' is not a whole number below 10^18")
        return np.concatenate([part.astype(np.int64) for part in self.parts()])


def read_columns(path: str | Path) -> tuple[Column, Column]:
    """Read a table like tables.read_table, but as two columns. A million lines of ASCII take about a second.

    Returns:
        The column of keys and the column of values.

    Raises:
        RecipeError: as read_table.
    """
    data: Array
    try:
        # Opening a pipe would wait for its writer; read_table refuses one.
        data = np.memmap(path, np.uint8, mode="r") if Path(path).is_file() else np.zeros(0, np.uint8)
    except (OSError, ValueError):  # missing, or empty
        data = np.zeros(0, np.uint8)
    ends, blanks = _find_bytes(data, b"\n"), _find_bytes(data, b" \t")
    if len(data) and data[-1] != ord("\n"):
        ends = np.append(ends, len(data))
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    split = np.append(blanks, len(data))[np.searchsorted(blanks, starts)]  # the first blank of each line
    regular = len(ends) > 0 and bool(((split > starts) & (split + 1 < ends)).all()) and _is_plain(data)
    if regular:
        # This fast way needs ASCII, one blank before the value, none behind it, and no control characters.
        edges = np.concatenate([data[split + 1], data[ends - 1]])
        keys = Column(data, starts, split)
        regular = not np.isin(edges, list(b" \t\r\v\f")).any() and _is_ascending(keys)
    if regular:
        return keys, Column(data, split + 1, ends)
    table = read_table(path)
    return Column.from_strings(table), Column.from_strings(table.values())


def _is_plain(data: Array) -> bool:
    """True if the bytes are ASCII that can be seen, blanks, tabs and line feeds."""
    for first in range(0, len(data), _BYTES):
        part = data[first : first + _BYTES]
        if not (((part >= 0x20) & (part < 0x7F)) | (part == ord("\n")) | (part == ord("\t"))).all():
            return False
    return True


def _find_bytes(data: Array, letters: bytes) -> Array:
    """Positions of the given bytes, int64, in order."""
    found: list[Array] = [np.zeros(0, np.int64)]
    for first in range(0, len(data), _BYTES):
        part = data[first : first + _BYTES]
        here = part == letters[0]
        for letter in letters[1:]:
            here |= part == letter
        found.append(np.flatnonzero(here) + first)
    return np.concatenate(found)


def _is_ascending(keys: Column) -> bool:
    """True if the keys are sorted without duplicates."""
    last = b""
    for part in keys.parts():
        if part[0] <= last or not (part[1:] > part[:-1]).all():
            return False
        last = part[-1]
    return True
