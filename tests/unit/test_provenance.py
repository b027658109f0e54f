"""Stamps: reuse what is unchanged, notice settings, contents, and arks rewritten behind an unchanged scp."""

import os
import re

import pytest
import torch

from dlglc.errors import RecipeError
from dlglc.provenance import (
    Stamp,
    changed_inputs,
    compare,
    damages,
    describe_code,
    describe_machine,
    fingerprint,
    read_record,
)
from dlglc.settings import load_settings
from dlglc.settings.schema import DlglcSettings


def test_reuse_and_difference(tmp_path):
    source = tmp_path / "wav.scp"
    source.write_text("a 1\n")
    stamp = Stamp(tmp_path / "stamp.json", {"epochs": 3, "optimiser": {"lr": 0.1}}, [source, None])
    assert not stamp.matches()
    stamp.write()
    assert Stamp(tmp_path / "stamp.json", {"epochs": 3, "optimiser": {"lr": 0.1}}, [source]).matches()
    other = Stamp(tmp_path / "stamp.json", {"epochs": 3, "optimiser": {"lr": 0.2}}, [source])
    assert other.differences() == ["optimiser.lr: 0.1, now 0.2"]
    source.write_text("a 2\n")
    assert not Stamp(tmp_path / "stamp.json", {"epochs": 3, "optimiser": {"lr": 0.1}}, [source]).matches()


@pytest.mark.parametrize("large", [False, True])
def test_a_rewritten_ark_is_another_input(tmp_path, monkeypatch, large):
    """Files without a record: small ones are known by their contents, large ones by size and time."""
    if large:
        monkeypatch.setattr("dlglc.provenance.MAX_BYTES", 9)
    ark, scp = tmp_path / "e.ark", tmp_path / "e.scp"
    ark.write_bytes(b"x" * 10)
    scp.write_text(f"a {ark}:2\n")
    stamp = Stamp(tmp_path / "stamp.json", {}, [scp])
    stamp.write()
    assert Stamp(tmp_path / "stamp.json", {}, [scp]).matches()
    os.utime(ark, (1, 1))
    assert Stamp(tmp_path / "stamp.json", {}, [scp]).matches() != large
    ark.write_bytes(b"y" * 10)
    assert not Stamp(tmp_path / "stamp.json", {}, [scp]).matches()


def test_an_input_that_changes_meanwhile_is_no_known_input(tmp_path, caplog):
    table = tmp_path / "utt2cluster"
    table.write_text("a 0\nb 1\n")
    stamp = Stamp(tmp_path / "stamp.json", {}, [table])
    table.write_text("a 0\n")
    with pytest.raises(RecipeError, match=r"utt2cluster changed while .* was made from it: run the same command again"):
        stamp.write()
    assert not stamp.path.exists()
    stamp.write(strict=False)
    assert "utt2cluster changed while" in caplog.text and stamp.matches()


def test_settings_objects_are_recorded_by_their_values(tmp_path):
    one, other = (load_settings(DlglcSettings, None, [f"epochs={epochs}"]) for epochs in (20, 30))
    Stamp(tmp_path / "stamp.json", {"dlglc": one, "seed": 1}, []).write()
    assert Stamp(tmp_path / "stamp.json", {"dlglc": one.model_dump(), "seed": 1}, []).matches()
    changed = Stamp(tmp_path / "stamp.json", {"dlglc": other, "seed": 2}, [])
    assert changed.differences() == ["dlglc.epochs: 20, now 30", "seed: 1, now 2"]


def test_a_record_that_is_missing_or_damaged_matches_nothing(tmp_path):
    stamp = Stamp(tmp_path / "stamp.json", {"epochs": 3}, [])
    assert stamp.read() is None
    (tmp_path / "stamp.json").write_text('{"settings": {')
    assert stamp.read() is None and not stamp.matches()
    stamp.write()
    assert stamp.matches()
    stamp.clear()
    assert not (tmp_path / "stamp.json").exists()
    stamp.clear()


def test_missing_arks_and_commands_of_a_table_are_left_alone(tmp_path):
    scp = tmp_path / "wav.scp"
    scp.write_text(f"a {tmp_path}/gone.ark:5\nb cat x.wav |\n")
    first = fingerprint(scp)
    (tmp_path / "gone.ark").write_bytes(b"now it is here")
    assert fingerprint(scp) != first
    table = tmp_path / "utt2spk"  # no scp: only what it holds counts
    table.write_text(f"a {tmp_path}/gone.ark:5\n")
    second = fingerprint(table)
    os.utime(tmp_path / "gone.ark", (1, 1))
    assert fingerprint(table) == second


def test_code_and_machine_are_described():
    assert re.fullmatch(r"git [\w.-]+|no git", describe_code())
    assert re.search(rf", \d+ cores, .+, torch {re.escape(torch.__version__)}$", describe_machine())


def test_differences_are_in_words():
    old = {"settings": {"a": {"b": 1, "c": 2}}, "inputs": {"x": "1", "y": "2", "z": "3"}}
    new = {"settings": {"a": {"b": 1, "d": 5}}, "inputs": {"x": "1", "y": "9", "w": "3"}}
    assert compare(old, new) == [
        *("a.c: 2, now gone", "a.d: not there, now 5"),
        *("y has changed", "made from z", "now from w"),
    ]
    assert compare(old, old) == []


def test_inputs_that_changed_since_are_named(tmp_path):
    names = [tmp_path / name for name in ("kept", "changed", "gone")]
    for name in names:
        name.write_text("old")
    Stamp(tmp_path / "stamp.json", {}, names).write()
    assert changed_inputs(tmp_path / "stamp.json") == []
    names[1].write_text("new")
    names[2].unlink()
    assert changed_inputs(tmp_path / "stamp.json") == [f"{names[1]} has changed", f"{names[2]} is gone"]
    assert changed_inputs(tmp_path / "none.json") == []


def test_a_finished_output_is_reused(tmp_path, caplog):
    stamp = Stamp(tmp_path / "stamp.json", {"epochs": 3}, [])
    assert not stamp.reuse("output")
    stamp.write()
    with caplog.at_level("INFO"):
        assert stamp.reuse("output")
    assert "output is finished: reused" in caplog.text
    assert not Stamp(tmp_path / "stamp.json", {"epochs": 4}, []).reuse("output")
    assert stamp.read() is None  # the output is about to change


def test_an_input_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match="gone: no such file"):
        Stamp(tmp_path / "stamp.json", {}, [tmp_path / "gone"])


def stamped(tmp_path):
    """A stamp over an output of many blocks."""
    output = tmp_path / "out.ark"
    output.write_bytes(bytes(range(256)) * 4000)
    stamp = Stamp(tmp_path / "packed.json", {"a": 1}, [], [output])
    stamp.write()
    return stamp, output


@pytest.mark.parametrize("harm", ["gone", "cut", "other"])
def test_an_output_that_is_not_what_was_written_is_not_reused(tmp_path, caplog, harm):
    stamp, output = stamped(tmp_path)
    assert stamp.reuse(output)
    content = output.read_bytes()
    if harm == "gone":
        output.unlink()
    else:
        output.write_bytes(content[:-1] if harm == "cut" else content[::-1])
    with caplog.at_level("INFO"):
        assert not stamp.reuse(output)
    assert "out.ark" in caplog.text and "it is made again" in caplog.text
    assert stamp.read() is None


def test_a_changed_bit_is_found_when_all_is_read(tmp_path):
    stamp, output = stamped(tmp_path)
    content = bytearray(output.read_bytes())
    content[100_001] ^= 1
    output.write_bytes(content)
    assert damages(stamp.path) == []
    assert damages(stamp.path, wholly=True) == [f"{output} is not what was written: its checksum differs"]


def test_an_ark_that_was_made_again_with_the_same_bytes_is_the_same_input(tmp_path):
    _, output = stamped(tmp_path)
    scp = tmp_path / "x.scp"
    scp.write_text(f"u0 {output}:5\n")
    before = fingerprint(scp)
    output.write_bytes(output.read_bytes())
    os.utime(output, (1, 1))
    assert fingerprint(scp) == before
    output.write_bytes(b"short")
    with pytest.raises(RecipeError, match=r"out\.ark has 5 bytes, 1024000 were written: run the stage"):
        fingerprint(scp)
    assert changed_inputs(tmp_path / "packed.json") == [f"{output} has 5 bytes, 1024000 were written"]


def test_a_record_of_version_02_has_no_outputs_and_is_reused(tmp_path):
    output = tmp_path / "out"
    output.write_text("made")
    Stamp(tmp_path / "stamp.json", {"a": 1}, []).write()
    assert Stamp(tmp_path / "stamp.json", {"a": 1}, [], [output]).reuse(output)
    output.unlink()
    assert not Stamp(tmp_path / "stamp.json", {"a": 1}, [], [output]).reuse(output)


NO_RECORDS = ("", "[]", "{", '{"settings": 5, "inputs": {}}', '{"settings": {}, "inputs": {}, "outputs": {"a": 1}}')


@pytest.mark.parametrize("text", NO_RECORDS)
def test_what_is_no_record_is_damaged(tmp_path, text):
    stamp = Stamp(tmp_path / "stamp.json", {}, [])
    assert not stamp.damaged
    stamp.path.write_text(text)
    assert stamp.damaged and stamp.read() is None and read_record(stamp.path) is None
    stamp.write()
    assert not stamp.damaged
    assert stamp.identity == Stamp(tmp_path / "other.json", {}, []).identity
    assert stamp.identity != Stamp(tmp_path / "other.json", {"a": 1}, []).identity
