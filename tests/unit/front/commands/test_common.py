"""What words name recordings, and what is printed."""

import argparse

import pytest

from dlglc.front.commands.common import answer, bullet_list, find_recordings, share


def test_ids_of_files_folders_and_tables(tmp_path):
    (tmp_path / "x y").mkdir()
    for name in ("x y/a.wav", "b.flac", "c.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "wav.scp").write_text("utt1 somewhere.wav\n")
    found = find_recordings([str(tmp_path), str(tmp_path / "wav.scp"), "./d/e f.ogg"])
    assert found == {
        "b.flac": str(tmp_path / "b.flac"),
        "x%20y--a.wav": str(tmp_path / "x y/a.wav"),
        "utt1": "somewhere.wav",
        "d--e%20f.ogg": "./d/e f.ogg",
    }


def test_shares():
    assert share("0.2") == 0.2
    for text in ("0", "1", "-1"):
        with pytest.raises(argparse.ArgumentTypeError):
            share(text)


def test_answers(capsys):
    answer({"a": "ü"}, "text", True)
    answer({"a": "ü"}, "text" + bullet_list(["one", "two"]), False)
    assert capsys.readouterr().out == '{"a": "ü"}\ntext\n- one\n- two\n'
