"""Recordings read by stretches, in every form that the stages after packing meet, and what is said of others."""

import numpy as np
import pytest
import soundfile

from dlglc.data.audio import KeptRecordings, Recordings, float_to_int16, packed_length, packed_wav, read_crops
from dlglc.data.tables import write_data_dir, write_table
from dlglc.errors import RecipeError

NOISE = np.random.default_rng(0).integers(-9000, 9000, 12001).astype(np.int16)


def data_dir(folder, *places):
    """A data directory of recordings u0, u1, … at the given places."""
    wav = {f"u{i}": str(place) for i, place in enumerate(places)}
    write_data_dir(folder, wav, {utt: utt for utt in wav})
    return folder


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The same samples in every form: name → second column of wav.scp."""
    top = tmp_path_factory.mktemp("audio")
    soundfile.write(top / "a.wav", NOISE, 16000)
    soundfile.write(top / "a.flac", NOISE, 16000)
    soundfile.write(top / "float.wav", NOISE / 32768, 16000, subtype="FLOAT")
    soundfile.write(top / "wide.wav", NOISE / 32768, 16000, subtype="PCM_24")
    ark = b"u0 " + packed_wav(NOISE[::-1].copy(), 16000) + b"u1 "
    (top / "wav.ark").write_bytes(ark + packed_wav(NOISE, 16000) + b"u2 " + packed_wav(NOISE + 1, 16000))
    names = ("a.wav", "a.flac", "float.wav", "wide.wav")
    return {**{name: top / name for name in names}, "ark": f"{top}/wav.ark:{len(ark)}"}


@pytest.mark.parametrize("probe", [True, False])
@pytest.mark.parametrize("kind", ["a.wav", "a.flac", "float.wav", "wide.wav", "ark"])
def test_any_stretch_of_any_kind(tmp_path, places, kind, probe):
    recordings = Recordings(data_dir(tmp_path, places[kind]), probe=probe)
    assert recordings.num_samples.tolist() == [len(NOISE) if probe else -1]
    assert recordings.probe(0) == len(NOISE)
    for start, num in ((0, None), (0, 1), (500, 300), (11990, 500), (0, 12001), (11000, None), (20000, 5)):
        found = recordings.read(0, start, num)
        assert found.dtype == np.int16
        np.testing.assert_array_equal(found, NOISE[start:][:num])


def test_samples_of_more_bits_are_rounded_and_clipped():
    found = float_to_int16(np.array([0.6, -0.6, 0.4, 32767.6, 40000, -32768, -40000]) / 32768)
    assert found.tolist() == [1, -1, 0, 32767, 32767, -32768, -32768]


def test_a_packed_wav_is_what_others_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(packed_wav(NOISE, 8000))
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    np.testing.assert_array_equal(samples, NOISE)
    assert rate == 8000
    assert len(packed_wav(NOISE, 8000)) == 44 + 2 * len(NOISE)
    assert packed_length(str(tmp_path / "a.wav"), 0) == len(NOISE)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.wav", "no such file"),
        ("empty.wav", "pack the recordings"),
        ("noise.wav", "pack the recordings"),
        ("stereo.wav", "2 channels, 16000 Hz, expected mono of 16000 Hz: pack"),
        ("slow.wav", "1 channels, 8000 Hz, expected mono of 16000 Hz: pack"),
        ("command", "pack the recordings"),
        ("no ark", "no 16-bit mono WAV at this place of the ark"),
    ],
)
def test_bad_audio_is_named_by_line_and_remedy(tmp_path, places, name, words):
    where = {"command": f"cat {places['a.wav']} |", "no ark": f"{places['a.wav']}:7"}.get(name, tmp_path / name)
    if name == "empty.wav":
        where.write_bytes(b"")
    elif name == "noise.wav":
        where.write_bytes(NOISE.tobytes())
    elif name == "stereo.wav":
        soundfile.write(where, np.stack([NOISE, NOISE], 1), 16000)
    elif name == "slow.wav":
        soundfile.write(where, NOISE, 8000)
    with pytest.raises(RecipeError, match=words) as error:
        Recordings(data_dir(tmp_path, places["a.wav"], where))
    assert f"{tmp_path}/wav.scp:2: u1: " in str(error.value)
    assert str(where) in str(error.value)
    recordings = Recordings(tmp_path, probe=False)
    np.testing.assert_array_equal(recordings.read(0), NOISE)
    with pytest.raises(RecipeError, match=words):
        recordings.read(1)


def test_a_recording_that_was_cut_short_is_named(tmp_path, places):
    ark = tmp_path / "wav.ark"
    ark.write_bytes(b"u0 " + packed_wav(NOISE, 16000)[:-100])
    recordings = Recordings(data_dir(tmp_path, f"{ark}:3"))
    np.testing.assert_array_equal(recordings.read(0, 0, 11951), NOISE[:11951])
    with pytest.raises(RecipeError, match=r"wav\.scp:1: u0: .*cut short"):
        recordings.read(0, 0, 11952)


def test_lengths_come_from_the_table_where_there_is_one(tmp_path, places):
    data_dir(tmp_path, places["a.wav"], places["a.flac"])
    lengths = tmp_path / "utt2num_samples"
    write_table(lengths, {"u0": 7, "u1": 9})
    assert Recordings(tmp_path).num_samples.tolist() == [7, 9]
    assert Recordings(tmp_path, probe=False).num_samples.tolist() == [-1, -1]
    for table, words in (({"u0": 7}, "its ids are not those of"), ({"u0": 7, "u1": "x"}, "'x' is not a whole number")):
        write_table(lengths, table)
        with pytest.raises(RecipeError, match=rf"utt2num_samples: {words}.*run steps/pack_audio\.py again"):
            Recordings(tmp_path)


def test_a_table_that_contradicts_the_ark_is_named(tmp_path, places):
    """Else a crop could hold a neighbour's samples."""
    data_dir(tmp_path, places["ark"])
    write_table(tmp_path / "utt2num_samples", {"u0": 12345})
    with pytest.raises(RecipeError, match=r"wav\.scp:1: u0: 12001 samples in the ark, 12345 in utt2num_samples"):
        Recordings(tmp_path).read(0, 0, 100)


@pytest.mark.parametrize("lengths", [(100, 50), (9000, 9000), (12001, 3), (13000, 30000)])
@pytest.mark.parametrize("places_of_crops", [(0.0, 0.999), (0.4, 0.41), (0.999, 0.5)])
def test_crops_begin_where_they_are_placed_and_short_recordings_repeat(tmp_path, places, lengths, places_of_crops):
    recordings = Recordings(data_dir(tmp_path, places["a.wav"]))
    crops = [np.zeros(length, np.int16) for length in lengths]
    read_crops(recordings, 0, list(places_of_crops), crops)
    for crop, place in zip(crops, places_of_crops):
        start = int(place * max(12001 - len(crop) + 1, 1))
        np.testing.assert_array_equal(crop, np.resize(NOISE[start : start + len(crop)], len(crop)))


def test_recordings_in_memory_are_those_of_the_files(tmp_path, places):
    folder = data_dir(tmp_path, places["a.flac"], places["ark"])
    files, kept = Recordings(folder), KeptRecordings(folder)
    for i in range(2):
        for start, num in ((0, None), (5, 100), (11_990, 100), (13_000, 10), (7, None)):
            np.testing.assert_array_equal(kept.read(i, start, num), files.read(i, start, num))
    assert set(kept.kept) == {0, 1}
