"""Tables and trial lists: what is accepted, and mistakes by file and line."""

import os

import pytest

from dlglc.data.columns import read_columns
from dlglc.data.tables import read_fields, read_table, read_trials, write_data_dir, write_table
from dlglc.errors import RecipeError


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


def test_both_forms_of_trials(tmp_path):
    (tmp_path / "kaldi").write_text("a b target\na c nontarget\n")
    (tmp_path / "voxceleb").write_text("1 a b\n0 a c\n")
    assert (
        read_trials(tmp_path / "kaldi") == read_trials(tmp_path / "voxceleb") == (["a", "a"], ["b", "c"], [True, False])
    )
    (tmp_path / "bad").write_text("a b target\na b c d\n")
    with pytest.raises(RecipeError, match=r"bad:2: expected 'enrol test target\|nontarget'"):
        read_trials(tmp_path / "bad")


@pytest.mark.parametrize("strange", ["\u00a0", "\u0085", "\u2028", "\u3000", "\x1c", "\ufeff"])
def test_only_blanks_and_tabs_separate_fields(tmp_path, strange):
    (tmp_path / "x").write_text(f"a\tb c\r\nd{strange}e f\n", newline="")
    with pytest.raises(RecipeError, match=rf"x:2: U\+{ord(strange):04X} in "):
        read_fields(tmp_path / "x", "missing")
    (tmp_path / "x").write_text("a\tb c\r\n\n ü  -\n", newline="")
    assert read_fields(tmp_path / "x", "missing") == [["a", "b", "c"], [], ["ü", "-"]]


def test_the_path_of_a_file_may_have_any_blank(tmp_path):
    (tmp_path / "wav.scp").write_text("a /x\u202fy\u00a0.wav\u00a0 \nb /z\u2028.wav\n")
    expected = {"a": "/x\u202fy\u00a0.wav\u00a0", "b": "/z\u2028.wav"}
    assert read_table(tmp_path / "wav.scp") == expected


def test_a_device_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        for read in (read_table, read_columns):
            with pytest.raises(RecipeError, match="a folder or a device, not a file"):
                read(tmp_path / name)
