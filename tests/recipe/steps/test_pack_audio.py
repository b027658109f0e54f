"""pack_audio under kills, on a full disk, and what later stages say of an ark that is not what it was."""

import functools
import os
import re
import resource
import signal
import subprocess

import numpy as np
import pytest
import soundfile

from dlglc.data.tables import read_table, write_data_dir, write_table
from support import scripts
from support.audio_files import FORMS, tones, write_form
from support.waiting import wait_for


@pytest.fixture
def source(tmp_path):
    """Twenty recordings of 2 to 6 s in several formats, two of which cannot be used."""
    rng = np.random.default_rng(0)
    wav = {}
    for i in range(20):
        name = ("pcm24", "mp3", "m4a", "flac", "opus")[i % 5]
        path = write_form(tmp_path / f"u{i:02d}.{FORMS[name].ending}", name, seconds=rng.uniform(2, 6))
        wav[path.stem] = str(path)
    for utt in ("u07", "u16"):
        os.truncate(wav[utt], os.path.getsize(wav[utt]) // 2)
    write_data_dir(tmp_path / "data", wav, {utt: utt for utt in wav})
    return tmp_path / "data"


def contents(folder):
    """All that packing writes, with one name for the ark."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}
    return {name: content.replace(str(folder).encode(), b"OUT") for name, content in files.items()}


@pytest.mark.slow
def test_packing_that_is_killed_goes_on_to_the_same_bytes(script, source, tmp_path):
    """Two of the recordings are commands that wait until we let them go, so that we know where the kill comes."""
    wav = read_table(source / "wav.scp")
    for utt in ("u04", "u13"):
        wav[utt] = f"while [ -e {tmp_path}/hold-{utt} ]; do sleep 0.1; done; cat {wav[utt]} |"
        (tmp_path / f"hold-{utt}").touch()
    write_table(source / "wav.scp", wav)
    words = ["steps/pack_audio.py", "--keep-going", "--allow-pipes", source]
    out = tmp_path / "killed"
    for utt in ("u04", "u13"):
        process = scripts.start(*words, out, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_for(functools.partial(waits_at, out / "packing.jsonl", int(utt[1:]), process))
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        (tmp_path / f"hold-{utt}").unlink()
    assert "going on after 13 recordings" in script(*words, out).stdout
    script(*words, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")
    assert sorted(contents(out)) == sorted(
        ["recordings", "utt2dur", "utt2num_samples", "utt2reco", "utt2segment", "wav.ark", "wav.scp"]
    )
    assert len(read_table(out / "wav.scp")) == 18


def waits_at(journal, count, process):
    """True once so many recordings are packed."""
    assert process.poll() is None, process.stdout.read()
    return journal.exists() and journal.read_bytes().count(b"\n") == count


@pytest.mark.slow
def test_a_full_disk_is_no_damage_of_the_recordings(script, source, tmp_path):
    """As a quota has it: a file may not become larger."""

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    out = tmp_path / "out"
    words = ["steps/pack_audio.py", "--keep-going", source, out]
    process = scripts.start(*words, preexec_fn=little_room, stderr=subprocess.PIPE, text=True)
    said = process.communicate()[1]
    assert process.returncode == 1
    assert f"{out}/wav.ark: File too large: make room and run again" in said
    assert "Traceback" not in said
    script(*words)
    script("steps/pack_audio.py", "--keep-going", source, tmp_path / "whole")
    assert contents(out) == contents(tmp_path / "whole")


def test_unusable_recordings_are_an_error_unless_one_goes_on(script, source, tmp_path):
    done = script("steps/pack_audio.py", source, tmp_path / "out", check=False)
    assert done.returncode == 1
    assert "2 of 20 recordings cannot be used" in done.stderr
    for utt in ("u07", "u16"):
        assert re.search(rf"data/wav\.scp:{int(utt[1:]) + 1}: {utt}: .*cut short|no audio", done.stderr)
    assert not (tmp_path / "out/wav.scp").exists()


@pytest.fixture
def packed(tiny, script, tmp_path):
    script("steps/pack_audio.py", tiny / "train", tmp_path / "packed")
    return tmp_path / "packed"


def test_an_ark_that_was_cut_is_named_by_utterance(packed, script, tmp_path):
    last = list(read_table(packed / "wav.scp"))[-1]
    with open(packed / "wav.ark", "r+b") as file:
        file.truncate(os.path.getsize(packed / "wav.ark") - 1000)
    done = script("steps/make_fbank.py", packed, tmp_path / "feats", check=False)
    assert done.returncode == 1 and re.search(r"wav\.ark has \d+ bytes, \d+ were written: run the stage", done.stderr)
    (packed / "packed.json").unlink()  # as of an ark of other programs
    done = script("steps/make_fbank.py", packed, tmp_path / "feats", check=False)
    assert done.returncode == 1
    assert re.search(rf"wav\.scp:24: {last}: the ark is cut short within it: run steps/pack_audio\.py", done.stderr)


@pytest.mark.parametrize("change", [-1, 1, 10**6])
def test_a_wrong_length_is_named_by_utterance(packed, script, tmp_path, change):
    """It would be a shorter utterance, or samples of the next one."""
    lengths = {utt: int(count) for utt, count in read_table(packed / "utt2num_samples").items()}
    lengths["s1-u2"] += change
    (packed / "utt2num_samples").write_text("".join(f"{utt} {count}\n" for utt, count in lengths.items()))
    done = script("steps/make_fbank.py", packed, tmp_path / "feats", check=False)
    assert done.returncode == 1
    assert re.search(r"wav\.scp:9: s1-u2: \d+ samples in the ark, \d+ in utt2num_samples", done.stderr)


def test_tables_are_sorted_though_ids_grow_when_recordings_are_cut(script, tmp_path, speech):
    """ "a.wav-…" comes behind "a.wav%20b.wav", and "a.wav" before it."""
    talk = np.concatenate([soundfile.read(paths[0])[0] for paths in speech[:9]])
    talk = np.resize(talk, 30 * 16000)
    soundfile.write(tmp_path / "long.wav", talk, 16000)
    soundfile.write(tmp_path / "short.wav", tones(1.0, 16000), 16000)
    wav = {"a.wav": str(tmp_path / "long.wav"), "a.wav%20b.wav": str(tmp_path / "short.wav")}
    write_data_dir(tmp_path / "data", wav, {utt: utt for utt in wav})
    script("steps/pack_audio.py", "--cut-above", 20, tmp_path / "data", tmp_path / "out")
    table = read_table(tmp_path / "out/wav.scp")  # refuses what is not sorted
    assert next(iter(table)) == "a.wav%20b.wav"
    assert len(table) > 3
    assert set(read_table(tmp_path / "out/utt2reco").values()) == {"a.wav", "a.wav%20b.wav"}
