"""Kaldi data directories and their tables: sorted UTF-8 text, one record a line, the key first."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from .cli import RecipeError

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


def read_table(path: str | Path) -> dict[str, str]:
    """Read `key value` lines into an ordered dict; a value keeps its inner blanks (wav.scp, spk2utt).

    Args:
        path: the table.

    Raises:
        RecipeError: missing or empty file, a line without value, a key that stands twice or out of order.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file: has the stage that writes it been run?") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot read it as UTF-8 text: {error}") from error
    table: dict[str, str] = {}
    previous = ""
    for number, line in enumerate(text.splitlines(), 1):
        key, value = (*line.split(None, 1), "", "")[:2]  # blanks or tabs, as published data directories have either
        value = value.strip()
        if not key or not value:
            raise RecipeError(f"{path}:{number}: expected 'key value', found {line!r}")
        if key <= previous:
            what = "stands twice" if key == previous else f"comes after '{previous}': the file is not sorted"
            raise RecipeError(f"{path}:{number}: '{key}' {what}; run utils/fix_data_dir.sh {path.parent}")
        table[key] = value
        previous = key
    if not table:
        raise RecipeError(f"{path}: the file is empty")
    return table


def write_table(path: str | Path, table: dict[str, object]) -> None:
    """Write a table sorted by key (C locale: by code point), atomically."""
    write_lines(path, (f"{key} {table[key]}" for key in sorted(table)))


def write_lines(path: str | Path, lines: Iterable[str]) -> None:
    """Write lines as write_text does."""
    write_text(path, (f"{line}\n" for line in lines))


def write_text(path: str | Path, text: str | Iterable[str]) -> None:
    """Write a text, or pieces of one, so that a reader sees all of it or nothing: .tmp, fsync, rename."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    with open(part, "w", encoding="utf-8") as file:
        file.writelines([text] if isinstance(text, str) else text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def write_data_dir(path: str | Path, wav: dict[str, str], utt2spk: dict[str, str], **tables: dict) -> None:
    """Write wav.scp, utt2spk, spk2utt and any further tables (utt2dur={…}) of a data directory."""
    path = Path(path)
    spk2utt: dict[str, list[str]] = {}
    for utt in sorted(utt2spk):
        spk2utt.setdefault(utt2spk[utt], []).append(utt)
    write_table(path / "wav.scp", wav)
    write_table(path / "utt2spk", utt2spk)
    write_table(path / "spk2utt", {spk: " ".join(utts) for spk, utts in spk2utt.items()})
    for name, table in tables.items():
        write_table(path / name, table)


def read_trials(path: str | Path) -> tuple[list[str], list[str], list[bool]]:
    """Read `enrol test target|nontarget` lines (also `1|0 enrol test`, VoxCeleb's form).

    Returns:
        enrol ids, test ids, whether each is a target; all in the file's order.
    """
    path = Path(path)
    words = {"target": True, "nontarget": False, "1": True, "0": False}
    enrol, test, target = [], [], []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such trial list") from None
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if len(parts) == 3 and parts[0] in ("0", "1") and parts[2] not in words:
            parts = [parts[1], parts[2], parts[0]]
        if len(parts) != 3 or parts[2] not in words:
            raise RecipeError(f"{path}:{number}: expected 'enrol test target|nontarget', found {line!r}")
        enrol.append(parts[0])
        test.append(parts[1])
        target.append(words[parts[2]])
    if not enrol:
        raise RecipeError(f"{path}: the trial list is empty")
    return enrol, test, target
