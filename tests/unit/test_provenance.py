"""Stamps: reuse what is unchanged, notice settings, contents, and arks rewritten behind an unchanged scp."""

import os

from dlglc.provenance import Stamp


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
