"""A bundle there and back, and what is said of files that are none."""

import subprocess
import zipfile

import numpy as np
import pytest

from dlglc.bundles.container import pack_arrays, read_bundle, unpack_arrays, write_bundle
from dlglc.errors import RecipeError

PARTS = {"model.onnx": b"network", "backend.npz": b"arrays", "card.json": b"{}", "speech.onnx": b"vad", "more": b""}


def test_parts_there_and_back(tmp_path):
    name = write_bundle(tmp_path / "a.dlglc", PARTS)
    found = read_bundle(tmp_path / "a.dlglc")
    assert (found.id, found.parts) == (name, PARTS)
    assert write_bundle(tmp_path / "b.dlglc", dict(reversed(PARTS.items()))) == name
    assert write_bundle(tmp_path / "b.dlglc", {**PARTS, "more": b"1"}) != name


def test_the_same_parts_give_the_same_bytes(tmp_path):
    for name in "ab":
        write_bundle(tmp_path / name, PARTS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_sha256sum_agrees(tmp_path):
    write_bundle(tmp_path / "a.dlglc", PARTS)
    with zipfile.ZipFile(tmp_path / "a.dlglc") as archive:
        archive.extractall(tmp_path)
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True)


def test_arrays_there_and_back():
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros(0, dtype=np.int32)}
    found = unpack_arrays(pack_arrays(arrays))
    assert {name: (array.tolist(), array.dtype) for name, array in found.items()} == {
        name: (array.tolist(), array.dtype) for name, array in arrays.items()
    }
    assert pack_arrays(arrays) == pack_arrays(arrays)


def test_a_changed_part_is_refused_by_name(tmp_path):
    write_bundle(tmp_path / "a", PARTS)
    whole = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(whole.replace(b"arrays", b"Arrays"))
    with pytest.raises(RecipeError, match="damaged"):  # zip's own checksum
        read_bundle(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "b", "w") as archive:
        for name, content in {**PARTS, "backend.npz": b"others"}.items():
            archive.writestr(name, content)
        with zipfile.ZipFile(tmp_path / "c", "w"):
            write_bundle(tmp_path / "c", PARTS)
        archive.writestr("SHA256SUMS", zipfile.ZipFile(tmp_path / "c").read("SHA256SUMS"))
    with pytest.raises(RecipeError, match=r"b: backend\.npz was changed"):
        read_bundle(tmp_path / "b")


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "not a bundle"), (b"x" * 4000, "not a bundle"), (None, "no such bundle")]
)
def test_files_that_are_none_are_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        read_bundle(tmp_path / "a")


def test_an_archive_of_something_else_is_refused(tmp_path):
    write_bundle(tmp_path / "a", {"card.json": b""})
    with pytest.raises(RecipeError, match=r"it lacks backend\.npz, model\.onnx, speech\.onnx"):
        read_bundle(tmp_path / "a")
