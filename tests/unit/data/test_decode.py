"""An audio file by its place: a path, a WAV in an ark, a command; and places where there is none."""

import os

import numpy as np
import pytest
import soundfile

from dlglc.data.audio import packed_wav
from dlglc.data.decode import ENDINGS, AudioFile, check_place

NOISE = np.random.default_rng(0).integers(-9000, 9000, 8000).astype(np.int16)


@pytest.fixture
def path(tmp_path):
    soundfile.write(tmp_path / "a.wav", NOISE, 16000)
    return tmp_path / "a.wav"


def samples_of(where, **options):
    with AudioFile(str(where), **options) as file:
        samples = np.concatenate(list(file.blocks()))
        assert not file.doubtful
        return np.rint(samples[:, 0] * 32768)


def test_a_path(path):
    np.testing.assert_array_equal(samples_of(path), NOISE)
    with AudioFile(str(path)) as file:
        assert file.format == ("PCM_16", 16000, 1, 0.5)


def test_a_wav_in_an_ark_ends_where_its_header_says(tmp_path):
    ark = tmp_path / "x.ark"
    ark.write_bytes(b"u0 " + packed_wav(NOISE, 16000) + b"u1 " + packed_wav(NOISE[::-1].copy(), 16000))
    np.testing.assert_array_equal(samples_of(f"{ark}:3"), NOISE)
    np.testing.assert_array_equal(samples_of(f"{ark}:{3 + 44 + 16000 + 3}", work_dir=tmp_path), NOISE[::-1])
    assert [p.name for p in tmp_path.iterdir()] == ["x.ark"]  # copies do not stay
    with pytest.raises(ValueError, match="no WAV at this place of the ark"):
        samples_of(f"{ark}:5")
    with pytest.raises(ValueError, match="no such file"):
        samples_of(f"{tmp_path}/gone.ark:5")


def test_a_file_whose_name_looks_like_a_place_in_an_ark(path):
    strange = path.with_name("a.wav:7")
    path.rename(strange)
    np.testing.assert_array_equal(samples_of(strange), NOISE)


def test_commands_are_run_only_if_allowed(path, tmp_path):
    np.testing.assert_array_equal(samples_of(f"cat {path} |", allow_pipes=True), NOISE)
    with pytest.raises(ValueError, match="--allow-pipes"):
        AudioFile(f"touch {tmp_path}/executed |")
    assert not (tmp_path / "executed").exists()
    with pytest.raises(ValueError, match=r"the command failed \(3\): spoken"):
        AudioFile("echo spoken >&2; exit 3 |", allow_pipes=True)


def test_places_where_nothing_can_be_read(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    os.symlink(tmp_path / "gone", tmp_path / "link.wav")
    os.mkfifo(tmp_path / "fifo.wav")
    for name, words in (
        *[("gone.wav", "no such file"), ("link.wav", "a link that leads nowhere"), ("", "a folder")],
        *[("fifo.wav", "a device or pipe"), ("empty.wav", "an empty file")],
    ):
        for read in (check_place, AudioFile):
            with pytest.raises(ValueError, match=words):
                read(str(tmp_path / name))


def test_a_file_that_was_cut_is_named(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    with pytest.raises(ValueError, match="cut short"):
        samples_of(path)


def test_endings_are_in_small_letters_without_dots():
    assert {"wav", "flac", "mp3", "m4a", "opus"} <= ENDINGS
    assert all(ending == ending.lower().strip(".") for ending in ENDINGS)
