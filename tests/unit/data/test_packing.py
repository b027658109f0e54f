"""Packing: an interrupted run goes on to the same bytes, long recordings are cut, unusable ones are listed."""

import json

import numpy as np
import pytest
import soundfile

from dlglc.data.audio import Recordings, packed_wav
from dlglc.data.packing import HOPELESS, Packer, PackOptions, check_in_place, complaint, write_tables
from dlglc.data.tables import read_table, write_data_dir
from dlglc.errors import RecipeError
from dlglc.provenance import Stamp


@pytest.fixture
def source(tmp_path):
    """Five recordings of 0.1 to 0.5 s."""
    rng = np.random.default_rng(0)
    wav = {f"u{i}": str(tmp_path / f"u{i}.wav") for i in range(5)}
    for i, path in enumerate(wav.values()):
        soundfile.write(path, rng.integers(-900, 900, 1600 * (i + 1)).astype(np.int16), 16000)
    write_data_dir(tmp_path / "data", wav, {utt: utt for utt in wav})
    return tmp_path / "data"


def packed(source, out_dir, channels=None, **options):
    """The entries of all recordings, and the tables that belong to them."""
    out_dir.mkdir(exist_ok=True)
    chosen = PackOptions(**{"min_seconds": 0.1, **options})
    stamp = Stamp(out_dir / "packing.json", chosen._asdict(), [source / "wav.scp"])
    packer = Packer(Recordings(source, chosen.sample_rate, probe=False), channels or {}, out_dir, chosen)
    entries = packer.pack(stamp)
    write_tables(entries, out_dir, chosen.sample_rate, packer.ark)
    return entries


def test_the_ark_holds_every_sample(source, tmp_path):
    entries = packed(source, tmp_path / "out")
    assert [entry["seconds"] for entry in entries] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    found, plain = Recordings(tmp_path / "out"), Recordings(source)
    assert found.ids == plain.ids
    for i in range(5):
        np.testing.assert_array_equal(found.read(i), plain.read(i))
    tables = {name: read_table(tmp_path / "out" / name) for name in ("utt2num_samples", "utt2dur", "utt2reco")}
    assert tables["utt2num_samples"]["u2"] == "4800"
    assert tables["utt2dur"]["u2"] == "0.3000"
    assert tables["utt2reco"] == {f"u{i}": f"u{i}" for i in range(5)}
    assert (tmp_path / "out/recordings").read_text().splitlines()[1] == "u1 usable 0.20 16000 1 PCM_16 -"


@pytest.mark.parametrize("lost", [1, 44, 5000, 9000, 20000])
@pytest.mark.parametrize("half_a_line", [0, 3])
def test_an_interrupted_run_goes_on_to_the_same_bytes(source, tmp_path, lost, half_a_line):
    """As a kill leaves both files: the ark without its last bytes, the journal perhaps with half a line."""
    whole, out = tmp_path / "whole", tmp_path / "out"
    expected = packed(source, whole)
    out.mkdir()
    ark, journal = (whole / "wav.ark").read_bytes(), (whole / "packing.jsonl").read_bytes()
    Stamp(out / "packing.json", json.loads((whole / "packing.json").read_text())["settings"],
          [source / "wav.scp"]).write()  # fmt: skip
    (out / "wav.ark").write_bytes(ark[:-lost])
    (out / "packing.jsonl").write_bytes(journal[: len(journal) - half_a_line])
    assert packed(source, out) == expected
    assert (out / "wav.ark").read_bytes() == ark
    assert (out / "packing.jsonl").read_bytes() == journal


def test_a_run_of_other_settings_is_not_continued(source, tmp_path):
    packed(source, tmp_path / "out", min_seconds=0.2)
    entries = packed(source, tmp_path / "out", min_seconds=0.1)
    assert [entry["reason"] for entry in entries] == [""] * 5
    packed(source, tmp_path / "whole")
    assert (tmp_path / "out/wav.ark").read_bytes() == (tmp_path / "whole/wav.ark").read_bytes()


def test_what_could_not_be_used_is_tried_again(source, tmp_path):
    path = tmp_path / "u1.wav"
    samples = path.read_bytes()
    path.write_bytes(b"RIFF")
    assert [bool(entry["reason"]) for entry in packed(source, tmp_path / "out")] == [False, True, False, False, False]
    path.write_bytes(samples)
    assert not any(entry["reason"] for entry in packed(source, tmp_path / "out"))
    found, plain = Recordings(tmp_path / "out"), Recordings(source)
    for i in range(5):
        np.testing.assert_array_equal(found.read(i), plain.read(i))


def test_unusable_recordings_are_left_out_and_listed(source, tmp_path):
    wav = read_table(source / "wav.scp")
    soundfile.write(wav["u1"], np.zeros(3200, np.int16), 16000)
    (tmp_path / "u3.wav").unlink()
    entries = packed(source, tmp_path / "out", min_seconds=0.15)
    assert [bool(entry["reason"]) for entry in entries] == [True, True, False, True, False]
    assert list(read_table(tmp_path / "out/wav.scp")) == ["u2", "u4"]
    text = complaint(Recordings(source, probe=False), entries)
    assert text.startswith("3 of 5 recordings cannot be used:\n")
    for words in ("wav.scp:1: u0: 0.10 s, under 0.15 s (", "wav.scp:2: u1: silent", "wav.scp:4: u3: no such file"):
        assert words in text
    lines = (tmp_path / "out/recordings").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["unusable", "unusable", "usable", "unusable", "usable"]


def test_a_channel_of_a_recording(source, tmp_path):
    path = read_table(source / "wav.scp")["u4"]
    left, right = np.random.default_rng(1).integers(-900, 900, (2, 4000)).astype(np.int16)
    soundfile.write(path, np.stack([left, right], 1), 16000)
    packed(source, tmp_path / "out", {"u4": 1})
    np.testing.assert_array_equal(Recordings(tmp_path / "out").read(4), right)


def test_recordings_that_lie_in_an_ark_are_packed_again(source, tmp_path):
    samples = np.random.default_rng(1).integers(-900, 900, 4000).astype(np.int16)
    (tmp_path / "old.ark").write_bytes(b"x " + packed_wav(samples, 16000) + b"next")
    write_data_dir(source, {"x": f"{tmp_path}/old.ark:2"}, {"x": "x"})
    (entry,) = packed(source, tmp_path / "out")
    assert entry["reason"] == ""
    np.testing.assert_array_equal(Recordings(tmp_path / "out").read(0), samples)


def test_a_corpus_of_which_nothing_is_readable_stops_early(tmp_path):
    wav = {f"u{i:03d}": str(tmp_path / "gone.wav") for i in range(3 * HOPELESS)}
    write_data_dir(tmp_path, wav, {utt: utt for utt in wav})
    with pytest.raises(RecipeError, match=rf"{HOPELESS} of {HOPELESS} recordings (.*\n.*)*… and {HOPELESS - 20} more"):
        packed(tmp_path, tmp_path / "out")
    with pytest.raises(RecipeError, match=f"{HOPELESS} of {HOPELESS} recordings"):
        check_in_place(Recordings(tmp_path, probe=False), 0.1)


def test_audio_that_stays_in_place_is_checked_by_its_header(source, tmp_path):
    soundfile.write(tmp_path / "u3.wav", np.ones((4000, 2), np.int16), 16000)
    entries = check_in_place(Recordings(source, probe=False), 0.15)
    assert [bool(entry["reason"]) for entry in entries] == [True, False, False, True, False]
    assert entries[0]["reason"] == "0.10 s, under 0.15 s"
    assert "2 channels" in entries[3]["reason"]
    (tmp_path / "out").mkdir()
    write_tables(entries, tmp_path / "out", 16000, None)
    assert read_table(tmp_path / "out/wav.scp") == {u: str(tmp_path / f"{u}.wav") for u in ("u1", "u2", "u4")}
    assert read_table(tmp_path / "out/utt2num_samples") == {"u1": "3200", "u2": "4800", "u4": "8000"}


def test_a_long_recording_becomes_utterances(speech_and_silence, tmp_path):
    soundfile.write(tmp_path / "long.wav", speech_and_silence, 16000)
    write_data_dir(tmp_path / "data", {"long": str(tmp_path / "long.wav")}, {"long": "long"})
    (entry,) = packed(tmp_path / "data", tmp_path / "out", cut_above=5.0)
    assert entry["notes"] == ["cut"]
    assert len(entry["utts"]) >= 2
    found = Recordings(tmp_path / "out")
    segments = read_table(tmp_path / "out/utt2segment")
    assert list(found.ids) == list(segments) == [utt for utt, *_ in entry["utts"]]
    for i, (utt, _, count, start, end) in enumerate(entry["utts"]):
        assert count == end - start
        np.testing.assert_array_equal(found.read(i), speech_and_silence[start:end])
        assert segments[utt] == f"long {start / 16000:.3f} {end / 16000:.3f}"
    with pytest.raises(RecipeError, match="--cut-above works at 16000 Hz only"):
        packed(tmp_path / "data", tmp_path / "other", cut_above=5.0, sample_rate=8000)
