"""Recordings of every kind read by stretches, their lengths, and what is said of audio that cannot be used."""

import struct

import numpy as np
import pytest
import soundfile

from dlglc.data.audio import Recordings, packed_wav, read_crops
from dlglc.data.tables import write_data_dir, write_table
from dlglc.errors import RecipeError

NOISE = np.random.default_rng(0).integers(-9000, 9000, 12001).astype(np.int16)


def data_dir(folder, *places):
    """A data directory of recordings u0, u1, … at the given places."""
    wav = {f"u{i}": str(place) for i, place in enumerate(places)}
    write_data_dir(folder, wav, {utt: utt for utt in wav})
    return folder


def wav_bytes(samples, *chunks, size=None, kind=1, channels=1, rate=16000):
    """A WAV with other chunks before its samples; `size` is what the header claims instead of the true number."""
    head = struct.pack("<HHIIHH", kind, channels, rate, 2 * channels * rate, 2 * channels, 16)
    body = b"WAVE" + b"fmt " + struct.pack("<I", 16) + head
    for name, content in chunks:
        body += name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
    body += b"data" + struct.pack("<I", 2 * len(samples) if size is None else size) + samples.tobytes()
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The same samples in every form that is read: name → second column of wav.scp."""
    top = tmp_path_factory.mktemp("audio")
    for ending in ("flac", "ogg"):
        soundfile.write(top / f"a.{ending}", NOISE, 16000)
    files = {
        "wav": wav_bytes(NOISE),
        "chunks": wav_bytes(NOISE, (b"LIST", b"INFOISFT\5\0\0\0Lavf\0\0"), (b"odd ", b"abc")),
        "streamed": wav_bytes(NOISE, size=0xFFFFFFFF),
    }
    for name, content in files.items():
        (top / f"{name}.wav").write_bytes(content)
    soundfile.write(top / "float.wav", NOISE.astype("f4") / 32768, 16000, subtype="FLOAT")
    ark = b"u0 " + packed_wav(NOISE[::-1].copy(), 16000) + b"u1 "
    (top / "wav.ark").write_bytes(ark + packed_wav(NOISE, 16000))
    return {
        **{name: top / f"{name}.wav" for name in (*files, "float")},
        "flac": top / "a.flac",
        "ark": f"{top}/wav.ark:{len(ark)}",
        "pipe": f"cat {top}/wav.wav |",
    }


@pytest.mark.parametrize("kind", ["wav", "chunks", "streamed", "float", "flac", "ark", "pipe"])
def test_any_stretch_of_any_kind(tmp_path, places, kind):
    recordings = Recordings(data_dir(tmp_path, places[kind]), allow_pipes=kind == "pipe")
    assert recordings.num_samples.tolist() == [len(NOISE)]
    for start, num in ((0, None), (0, 1), (500, 300), (11990, 500), (0, 12001), (11000, None)):
        found = recordings.read(0, start, num)
        assert found.dtype == np.int16
        if kind == "ark" and num:
            found = found[: len(NOISE) - start]  # what follows in an ark is not looked at
        np.testing.assert_array_equal(found, NOISE[start:][:num])


def test_a_wav_begins_after_its_end_too(tmp_path, places):
    for kind in ("wav", "flac"):
        assert len(Recordings(data_dir(tmp_path, places[kind])).read(0, 20000, 5)) == 0


def test_a_packed_wav_is_what_others_read(tmp_path):
    (tmp_path / "a.wav").write_bytes(packed_wav(NOISE, 8000))
    samples, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    np.testing.assert_array_equal(samples, NOISE)
    assert rate == 8000
    assert len(packed_wav(NOISE, 8000)) == 44 + 2 * len(NOISE)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone", "no such file: mend the path"),
        ("gone.flac", "no such file: mend the path"),
        ("empty", r"u1: .+ \(.*empty\.wav\)"),
        ("noise", r"u1: .+ \(.*noise\.wav\)"),
        ("stereo", "2 channels, expected mono: convert"),
        ("slow", "8000 Hz, expected 16000: convert"),
        ("cut", r"cut short: 23999 of 24002 bytes"),
        ("pipe", "pass --allow-pipes if you trust"),
        ("ark", "no 16-bit mono WAV at this place of the ark"),
    ],
)
def test_bad_audio_is_named_by_line_and_remedy(tmp_path, places, name, words):
    content = {
        "empty": b"",
        "noise": NOISE.tobytes(),
        "stereo": wav_bytes(NOISE, channels=2),
        "slow": wav_bytes(NOISE, rate=8000),
        "cut": wav_bytes(NOISE)[:-3],
    }
    where = {"pipe": places["pipe"], "gone.flac": tmp_path / "gone.flac", "ark": f"{places['wav']}:7"}
    where = where.get(name, tmp_path / f"{name}.wav")
    if name in content:
        where.write_bytes(content[name])
    with pytest.raises(RecipeError, match=words) as error:
        Recordings(data_dir(tmp_path, places["wav"], where))
    assert f"{tmp_path}/wav.scp:2: u1: " in str(error.value)
    recordings = Recordings(tmp_path, probe=False)
    np.testing.assert_array_equal(recordings.read(0), NOISE)
    with pytest.raises(RecipeError, match=words):
        recordings.read(1)


def test_a_command_that_fails_is_named(tmp_path):
    data_dir(tmp_path, "echo spoken >&2; exit 3 |")
    with pytest.raises(RecipeError, match=r"wav\.scp:1: u0: the command failed \(3\): spoken"):
        Recordings(tmp_path, allow_pipes=True)


def test_lengths_come_from_the_table_where_there_is_one(tmp_path, places):
    data_dir(tmp_path, places["wav"], places["flac"])
    lengths = tmp_path / "utt2num_samples"
    write_table(lengths, {"u0": 7, "u1": 9})
    assert Recordings(tmp_path).num_samples.tolist() == [7, 9]
    assert not hasattr(Recordings(tmp_path, probe=False), "num_samples")
    for table, words in (({"u0": 7}, "its ids are not those of"), ({"u0": 7, "u1": "x"}, "invalid literal")):
        write_table(lengths, table)
        with pytest.raises(RecipeError, match=rf"utt2num_samples: {words}.*run steps/pack_audio\.py again"):
            Recordings(tmp_path)


def test_m4a_is_decoded_whole_and_damage_is_named(tmp_path):
    av = pytest.importorskip("av", reason="optional: pip install av")
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(32000) / 16000)
    with av.open(tmp_path / "a.m4a", "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None].astype("f4") / 32768, format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux([packet for part in (frame, None) for packet in stream.encode(part)])
    data_dir(tmp_path, tmp_path / "a.m4a")
    with pytest.raises(RecipeError, match=r"wav\.scp:1: u0: its length is known only when it is decoded: pack"):
        Recordings(tmp_path)
    samples = Recordings(tmp_path, probe=False).read(0)
    assert len(samples) / 16000 == pytest.approx(2, abs=0.2)
    assert np.abs(np.fft.rfft(samples[8000:24000].astype("f4"))).argmax() == 440
    np.testing.assert_array_equal(Recordings(tmp_path, probe=False).read(0, 500, 70), samples[500:570])
    whole = (tmp_path / "a.m4a").read_bytes()
    for damage in (b"", whole[: len(whole) // 2]):
        (tmp_path / "a.m4a").write_bytes(damage)
        with pytest.raises(RecipeError, match=r"wav\.scp:1: u0: .*fetch the file again"):
            Recordings(tmp_path, probe=False).read(0)


@pytest.mark.parametrize("lengths", [(100, 50), (9000, 9000), (12001, 3), (13000, 30000)])
@pytest.mark.parametrize("places_of_crops", [(0.0, 0.999), (0.4, 0.41), (0.999, 0.5)])
def test_crops_begin_where_they_are_placed_and_short_recordings_repeat(tmp_path, places, lengths, places_of_crops):
    recordings = Recordings(data_dir(tmp_path, places["wav"]))
    crops = [np.zeros(length, np.int16) for length in lengths]
    read_crops(recordings, 0, list(places_of_crops), crops)
    for crop, place in zip(crops, places_of_crops):
        start = int(place * max(12001 - len(crop) + 1, 1))
        np.testing.assert_array_equal(crop, np.resize(NOISE[start : start + len(crop)], len(crop)))
