"""Columns are the table that they are read from, in pieces of any size."""

import numpy as np
import pytest

from dlglc.data import columns
from dlglc.data.columns import Column, read_columns
from dlglc.data.tables import write_table


@pytest.mark.parametrize("separator", [" ", "\t", "  "])
def test_columns_are_the_table(tmp_path, monkeypatch, separator):
    """Of any size against the pieces in which it is read, with ids of any length, and without the last newline."""
    monkeypatch.setattr(columns, "_LINES", 7)
    monkeypatch.setattr(columns, "_BYTES", 50)
    rng = np.random.default_rng(0)
    letters = list("abcé-_/")
    words = {"".join(rng.choice(letters, rng.integers(1, 30))) for _ in range(200)}
    table = {word: f"v{i} with|blanks {word}" for i, word in enumerate(sorted(words))}
    for size in (1, 6, 7, 8, 14, 99):
        part = dict(list(table.items())[:size])
        text = "\n".join(f"{key}{separator}{value}" for key, value in part.items())
        for end in ("\n", ""):
            (tmp_path / "t").write_text(text + end)
            keys, values = read_columns(tmp_path / "t")
            assert list(keys) == [keys[i] for i in range(len(keys))] == list(part)
            assert list(values) == [values[i] for i in range(len(values))] == list(part.values())
            assert keys == Column.from_strings(part) and keys != values and keys != Column.from_strings(list(part)[1:])
    assert keys.index(list(part)[50]) == 50
    with pytest.raises(IndexError):
        keys[99]


def test_columns_of_numbers(tmp_path):
    write_table(tmp_path / "t", {f"u{i:03d}": 7**i for i in range(20)})
    _, values = read_columns(tmp_path / "t")
    np.testing.assert_array_equal(values.numbers(), [7**i for i in range(20)])
    with pytest.raises(ValueError, match="is not a whole number"):
        Column.from_strings(["1", "x"]).numbers()


def test_slices_and_places_from_the_end():
    column = Column.from_strings(["a", "bé", "", "dd", "e"])
    assert column[-1] == "e"
    assert list(column[1:4]) == ["bé", "", "dd"]
    assert isinstance(column[1:4], Column)
    assert list(column[::-2]) == ["e", "", "a"]
    assert column[:0] == Column.from_strings([]) and len(column[:0]) == 0
    assert column != ["a"] and column == ["a", "bé", "", "dd", "e"]
