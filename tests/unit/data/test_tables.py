"""Tables and trial lists: what is accepted, and mistakes by file and line."""

import numpy as np
import pytest
from dlglc.data import columns, tables
from dlglc.errors import RecipeError
from dlglc.data.columns import Column, read_columns
from dlglc.data.tables import read_table, read_trials, write_data_dir, write_table


def test_tables_keep_what_follows_the_key(tmp_path):
    (tmp_path / "wav.scp").write_text("a x.wav\nb\tdir/y.wav\nc sox z.wav - |\n")
    assert read_table(tmp_path / "wav.scp") == {"a": "x.wav", "b": "dir/y.wav", "c": "sox z.wav - |"}


def test_written_tables_are_sorted_by_code_point(tmp_path):
    write_table(tmp_path / "t", {"b": 1, "B": 2, "a-1": 3, "a": 4, "é": 5})
    assert [line.split()[0] for line in (tmp_path / "t").read_text().splitlines()] == ["B", "a", "a-1", "b", "é"]
    assert read_table(tmp_path / "t")["a-1"] == "3"
    write_data_dir(tmp_path, {"u1": "x", "u2": "y"}, {"u1": "s", "u2": "s"})
    assert read_table(tmp_path / "spk2utt") == {"s": "u1 u2"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a 1\nb\n", ":2: expected"),
        ("a 1\n\nb 2\n", ":2: expected"),
        ("b 1\na 2\n", ":2: 'a' comes after"),
        ("", "empty"),
    ],
)
def test_mistakes_in_tables(tmp_path, text, words):
    (tmp_path / "t").write_text(text)
    for read in (read_table, read_columns):
        with pytest.raises(RecipeError, match=words):
            read(tmp_path / "t")


@pytest.mark.parametrize("separator", [" ", "\t", "  "])
def test_columns_are_the_table(tmp_path, monkeypatch, separator):
    """Of any size against the pieces in which it is read, with ids of any length, and without the last newline."""
    monkeypatch.setattr(datadir, "_LINES", 7)
    monkeypatch.setattr(datadir, "_BYTES", 50)
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
            assert keys == Column.of(part) and keys != values and keys != Column.of(list(part)[1:])
    assert keys.index(list(part)[50]) == 50
    with pytest.raises(IndexError):
        keys[99]


def test_columns_of_numbers(tmp_path):
    write_table(tmp_path / "t", {f"u{i:03d}": 7**i for i in range(20)})
    _, values = read_columns(tmp_path / "t")
    np.testing.assert_array_equal(values.numbers(), [7**i for i in range(20)])
    with pytest.raises(ValueError, match="invalid literal"):
        Column.of(["1", "x"]).numbers()


def test_both_forms_of_trials(tmp_path):
    (tmp_path / "kaldi").write_text("a b target\na c nontarget\n")
    (tmp_path / "voxceleb").write_text("1 a b\n0 a c\n")
    assert (
        read_trials(tmp_path / "kaldi") == read_trials(tmp_path / "voxceleb") == (["a", "a"], ["b", "c"], [True, False])
    )
    (tmp_path / "bad").write_text("a b target\na b c d\n")
    with pytest.raises(RecipeError, match=r"bad:2: expected 'enrol test target\|nontarget'"):
        read_trials(tmp_path / "bad")
