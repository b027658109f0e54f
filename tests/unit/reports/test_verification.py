"""Every output is read wholly: what is whole, what is not, what has no checksum."""

import os

import torch

from dlglc.files import save_tensors
from dlglc.provenance import Stamp
from dlglc.reports.verification import verify


def make(top):
    """An experiment with two records, a sealed and an old model."""
    for name in ("data/train/parts/1/wav.ark", "exp/dino/train/embedding.ark"):
        path = top / name
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(range(256)) * 2000)
        Stamp(path.with_name("record.json"), {}, [], [path]).write()
    save_tensors({"w": torch.ones(5)}, top / "exp/dino/model.pt")
    torch.save({"w": torch.ones(5)}, top / "exp/dino/checkpoint.pt")
    (top / "exp/results.json").write_text("{}")
    return [top / "data", top / "exp"]


def test_what_is_whole(tmp_path):
    assert verify(make(tmp_path)) == (3, 1, [])


def test_every_kind_of_damage_is_named(tmp_path):
    folders = make(tmp_path)
    ark, model = tmp_path / "data/train/parts/1/wav.ark", tmp_path / "exp/dino/model.pt"
    data = bytearray(ark.read_bytes())
    data[300_001] ^= 1  # between the places that are looked at when it is used
    ark.write_bytes(data)
    os.truncate(tmp_path / "exp/dino/train/embedding.ark", 10)
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    wrong = verify(folders).wrong
    names = [words.split()[0].rsplit("/", 1)[-1].strip(":") for words in wrong]
    assert names == ["wav.ark", "embedding.ark", "model.pt"]
    assert "its checksum differs" in wrong[0] and "10 bytes, 512000 were written" in wrong[1]
    (tmp_path / "exp/dino/train/embedding.ark").unlink()
    assert f"{tmp_path}/exp/dino/train/embedding.ark is gone" in verify(folders).wrong
