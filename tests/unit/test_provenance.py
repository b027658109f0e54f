"""Stamps: reuse what is unchanged, notice settings, contents, and arks rewritten behind an unchanged scp."""

import os
import re

import torch

from dlglc.provenance import Stamp, describe_code, describe_machine, fingerprint
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
    assert other.differences() == ["settings.optimiser.lr: 0.1 → 0.2"]
    source.write_text("a 2\n")
    assert not Stamp(tmp_path / "stamp.json", {"epochs": 3, "optimiser": {"lr": 0.1}}, [source]).matches()


def test_a_rewritten_ark_is_another_input(tmp_path):
    ark, scp = tmp_path / "e.ark", tmp_path / "e.scp"
    ark.write_bytes(b"x" * 10)
    scp.write_text(f"a {ark}:2\n")
    stamp = Stamp(tmp_path / "stamp.json", {}, [scp])
    stamp.write()
    assert Stamp(tmp_path / "stamp.json", {}, [scp]).matches()
    os.utime(ark, (1, 1))
    assert not Stamp(tmp_path / "stamp.json", {}, [scp]).matches()


def test_settings_objects_are_recorded_by_their_values(tmp_path):
    one, other = (load_settings(DlglcSettings, None, [f"epochs={epochs}"]) for epochs in (20, 30))
    Stamp(tmp_path / "stamp.json", {"dlglc": one, "seed": 1}, []).write()
    assert Stamp(tmp_path / "stamp.json", {"dlglc": one.model_dump(), "seed": 1}, []).matches()
    changed = Stamp(tmp_path / "stamp.json", {"dlglc": other, "seed": 2}, [])
    assert changed.differences() == ["settings.dlglc.epochs: 20 → 30", "settings.seed: 1 → 2"]


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
