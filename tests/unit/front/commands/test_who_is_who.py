"""dlg-lc who-is-who: groups of a folder, turns of a recording."""

import shutil

import pytest
import soundfile

from support.audio_files import tones
from support.commands import dlg_lc
from support.conversations import make_conversation


@pytest.fixture
def folder(bundles, tmp_path):
    """The same recording under three names, another one under two, and tones."""
    top = tmp_path / "voices"
    top.mkdir()
    for name, paths in (("a1", 0), ("a2", 0), ("a3", 0), ("b1", 1), ("b2", 1)):
        path = bundles.speech[paths][0]
        shutil.copy(path, top / f"{name}{path.suffix}")
    soundfile.write(top / "tones.wav", tones(3, 16000), 16000)
    return top


def test_a_folder(bundles, capsys, folder, tmp_path):
    words = ["who-is-who", "--false-accept", 0.06, "--out", tmp_path / "groups", bundles.labelled, folder]
    record = dlg_lc(capsys, *words, "--json").json
    assert record["without_speech"] == ["tones.wav"]
    together = {frozenset(name[0] for name in names): len(names) for names in record["groups"].values()}
    assert together == {frozenset("a"): 3, frozenset("b"): 2}
    lines = (tmp_path / "groups").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["voice1"] * 3 + ["voice2"] * 2
    text = dlg_lc(capsys, *words).out
    assert "2 voices in 5 recordings" in text and "without speech:\n- tones.wav" in text


def test_a_recording(bundles, capsys, tmp_path):
    samples, _ = make_conversation(bundles.speech[:2], 0)
    soundfile.write(tmp_path / "talk.flac", samples, 16000)
    words = ["who-is-who", "--voices", 2, bundles.labelled, tmp_path / "talk.flac"]
    lines = dlg_lc(capsys, *words).out.splitlines()
    assert all(line.startswith("SPEAKER talk 1 ") for line in lines)
    assert {line.split()[7] for line in lines} == {"voice1", "voice2"}
    record = dlg_lc(capsys, *words, "--json", "--out", tmp_path / "talk.rttm").json
    assert (tmp_path / "talk.rttm").read_text().splitlines() == record["rttm"] == lines
    assert record["voices"] == 2
    assert sum(record["seconds"].values()) == pytest.approx(sum(float(line.split()[4]) for line in lines), abs=0.1)


def test_a_recording_without_speech(bundles, capsys, tmp_path):
    soundfile.write(tmp_path / "tones.wav", tones(3, 16000), 16000)
    found = dlg_lc(capsys, "who-is-who", bundles.labelled, tmp_path / "tones.wav")
    assert (found.status, "no speech was found" in found.err) == (1, True)
