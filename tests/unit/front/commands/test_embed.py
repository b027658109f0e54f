"""dlg-lc embed: files, folders and tables to npz, parquet and ark."""

import shutil

import numpy as np
import pytest
from pyarrow import parquet

import dlglc
from dlglc.data.arks import read_embeddings
from support.commands import dlg_lc


@pytest.fixture
def folder(bundles, tmp_path):
    """Two people's recordings below a folder, and a file that is no audio."""
    top = tmp_path / "voices"
    for person, paths in enumerate(bundles.speech[:2]):
        (top / f"p {person}").mkdir(parents=True)
        shutil.copy(paths[0], top / f"p {person}" / f"a{paths[0].suffix}")
    (top / "bad.wav").write_text("nothing " * 99)
    return top


def test_a_folder_to_npz(bundles, capsys, folder, tmp_path):
    found = dlg_lc(capsys, "embed", "--json", "--out", tmp_path / "a.npz", bundles.labelled, folder)
    model = dlglc.load(bundles.labelled)
    with np.load(tmp_path / "a.npz") as arrays:
        ending = bundles.speech[0][0].suffix
        assert arrays["ids"].tolist() == [f"p%20{person}--a{ending}" for person in range(2)]
        np.testing.assert_allclose(arrays["embeddings"][1], model.embed(bundles.speech[1][0]), atol=1e-4)
        assert str(arrays["bundle"]) == model.id
        assert (arrays["speech"] <= arrays["seconds"]).all()
    assert (found.status, found.json["recordings"], found.json["left_out"]) == (1, 2, ["bad.wav"])
    assert "bad.wav: no audio that can be read" in found.err


def test_files_to_parquet_and_ark(bundles, capsys, tmp_path):
    files = [paths[0] for paths in bundles.speech[:3]]
    assert dlg_lc(capsys, "embed", "--out", tmp_path / "a.parquet", bundles.labelled, *files).status == 0
    assert dlg_lc(capsys, "embed", "--out", tmp_path / "ark", bundles.labelled, *files).status == 0
    table = parquet.read_table(tmp_path / "a.parquet")
    ids, matrix = read_embeddings(tmp_path / "ark/embedding.scp")
    order = np.argsort(table["ids"].to_pylist())
    assert sorted(table["ids"].to_pylist()) == ids
    np.testing.assert_array_equal(np.array(table["embeddings"].to_pylist(), dtype="f4")[order], matrix)


def test_a_table_of_kaldi(bundles, capsys, tmp_path):
    found = dlg_lc(capsys, "embed", "--out", tmp_path / "a.npz", bundles.labelled, bundles.data / "train/wav.scp")
    assert found.status == 0
    with np.load(tmp_path / "a.npz") as arrays:
        expected = read_embeddings(bundles.system / "train/embedding.scp")
        assert arrays["ids"].tolist() == expected[0]
        np.testing.assert_allclose(arrays["embeddings"], expected[1], atol=1e-2 * np.abs(expected[1]).max())


def test_what_cannot_be_done_is_said(bundles, capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.wav").write_bytes(b"")
    a = bundles.speech[0][0]
    for out, source, message in (
        ("a.csv", a, "expected NAME.npz"),
        ("a.npz", tmp_path / "empty", "no audio file in it"),
        ("a.npz", tmp_path / "empty.wav", "none of 1 recordings can be used"),
    ):
        found = dlg_lc(capsys, "embed", "--out", tmp_path / out, bundles.labelled, source)
        assert (found.status, message in found.err) == (1, True), found.err
    found = dlg_lc(capsys, "embed", "--out", tmp_path / "a.npz", bundles.labelled, a, a)
    assert "has the id" in found.err
    assert not (tmp_path / "a.npz").exists()
