"""VoxCeleb's audio as local/prepare_voxceleb.py finds it, packed or read in place."""

import importlib.util
import os
import signal
import subprocess

import numpy as np
import pytest
import soundfile

from dlglc.data.audio import Recordings, packed_wav
from dlglc.data.tables import read_table
from standin import SMALL, make_tree
from support import scripts
from support.waiting import wait_for

pytestmark = pytest.mark.slow

needs_av = pytest.mark.skipif(not importlib.util.find_spec("av"), reason="no av: pip install av to run this test")


@needs_av
def test_m4a_is_packed_whole_and_damage_is_named(speech, prepare, script, tmp_path):
    make_tree(tmp_path / "tree", speech, {**SMALL, "vox2_dev": (2, 2, 6)}, ending="m4a")
    prepare("corpus", tmp_path / "tree", "--partial")
    prepare("data", tmp_path / "tree", "--partial")
    done = script("steps/pack_audio.py", "--in-place", tmp_path / "local/train", tmp_path / "x", check=False)
    assert done.returncode == 1 and "pack the recordings" in done.stderr
    script("steps/pack_audio.py", tmp_path / "local/train", tmp_path / "packed")
    files = read_table(tmp_path / "local/train/wav.scp")
    recordings = Recordings(tmp_path / "packed")
    import av

    for i, path in enumerate(files.values()):
        with av.open(path) as container:
            seconds = container.duration / 1e6
        assert recordings.num_samples[i] / 16000 == pytest.approx(seconds, abs=0.1)
        assert np.abs(recordings.read(i, 8000, 16000).astype(float)).max() > 100
    victim = type(tmp_path)(list(files.values())[2])
    whole = victim.read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 4 : len(whole) // 2] = np.random.default_rng(0).bytes(len(whole) // 2 - len(whole) // 4)
    for damage in (whole[: len(whole) // 2], bytes(broken), b""):
        victim.write_bytes(damage)
        done = script("steps/pack_audio.py", tmp_path / "local/train", tmp_path / "again", check=False)
        assert done.returncode == 1 and "wav.scp:3" in done.stderr, (len(damage), done.stderr)


@needs_av
def test_a_missing_decoder_is_named_before_anything_starts(speech, prepare, script, root, tmp_path):
    make_tree(tmp_path / "tree", speech, {**SMALL, "vox2_dev": (1, 1, 2)}, ending="m4a")
    prepare("corpus", tmp_path / "tree", "--partial")
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide/sitecustomize.py").write_text("import sys\nsys.modules['av'] = None\n")
    environment = {"PYTHONPATH": f"{tmp_path}/hide:{root}/steps"}
    words = ["--partial", "--work", tmp_path / "work"]
    where = [tmp_path / "tree", tmp_path / "local"]
    done = script("local/prepare_voxceleb.py", "data", *where, *words, check=False, env=environment)
    assert done.returncode == 1 and "pip install av" in done.stderr
    prepare("data", tmp_path / "tree", "--partial")
    done = script("steps/pack_audio.py", where[1] / "train", tmp_path / "out", check=False, env=environment)
    assert done.returncode == 1 and "pip install av" in done.stderr


@pytest.mark.parametrize("ending", ["wav", "flac"])
def test_audio_in_place_gives_the_same_crops_as_packed(speech, prepare, script, tmp_path, ending):
    make_tree(tmp_path / "tree", speech, {**SMALL, "vox2_dev": (3, 3, 9)}, ending=ending)
    prepare("corpus", tmp_path / "tree", "--partial")
    prepare("data", tmp_path / "tree", "--partial")
    script("steps/pack_audio.py", tmp_path / "local/train", tmp_path / "packed")
    script("steps/pack_audio.py", "--in-place", tmp_path / "local/train", tmp_path / "there")
    assert not (tmp_path / "there/wav.ark").exists()
    assert (tmp_path / "there/wav.scp").read_text() == (tmp_path / "local/train/wav.scp").read_text()
    packed, there = Recordings(tmp_path / "packed"), Recordings(tmp_path / "there")
    np.testing.assert_array_equal(packed.num_samples, there.num_samples)
    for i in range(len(packed)):
        for start, num in ((0, None), (1000, 16000), (there.num_samples[i] - 10, 100)):
            np.testing.assert_array_equal(packed.read(i, start, num)[:10], there.read(i, start, num)[:10])
            assert len(there.read(i, start, num)) == min(num or 10**9, there.num_samples[i] - start)
    victim = tmp_path / "bad.wav"
    victim.write_bytes(packed_wav(packed.read(0), 16000)[:-4000])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/wav.scp").write_text(f"u {victim}\n")
    for words in ([], ["--in-place"]):
        done = script("steps/pack_audio.py", *words, tmp_path / "bad", tmp_path / "out", check=False)
        assert done.returncode == 1 and "cut short" in done.stderr


def test_packing_that_was_killed_goes_on_and_ends_with_the_same_bits(voxceleb, prepare, script, tmp_path):
    prepare("corpus", voxceleb, "--partial")
    prepare("data", voxceleb, "--partial")
    source = tmp_path / "local/train"
    script("steps/pack_audio.py", source, tmp_path / "whole")
    # A recording that makes the script wait, where it is killed.
    lines = (source / "wav.scp").read_text().splitlines()
    utt, path = lines[30].split()
    wait = f"touch {tmp_path}/waiting; while ! test -e {tmp_path}/go; do sleep 0.02; done; cat {path} |"
    (source / "wav.scp").write_text("\n".join([*lines[:30], f"{utt} {wait}", *lines[31:]]) + "\n")
    out = tmp_path / "out"
    words = ["steps/pack_audio.py", "--allow-pipes", source, out]
    process = scripts.start(*words, stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for((tmp_path / "waiting").exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "wav.scp").exists()
    kept = (out / "wav.ark").stat().st_size
    (tmp_path / "go").touch()
    (out / "wav.ark").open("ab").write(b"half a record")
    done = script("steps/pack_audio.py", "--allow-pipes", source, out)
    assert kept > 0 and "going on after" in done.stdout
    for name in ("wav.ark", "utt2num_samples", "utt2dur"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert (out / "wav.scp").read_text().replace(str(out), str(tmp_path / "whole")) == (
        tmp_path / "whole/wav.scp"
    ).read_text()
    assert not (out / "packing.json").exists()


def test_a_recording_that_is_refused_is_asked_again(voxceleb, prepare, script, tmp_path):
    """What lies behind a fault is packed already, and must not slip into the fault's place."""
    prepare("corpus", voxceleb, "--partial")
    prepare("data", voxceleb, "--partial")
    source = tmp_path / "local/train"
    lines = (source / "wav.scp").read_text().splitlines()
    utt, path = lines[5].split()
    (source / "wav.scp").write_text(
        "\n".join([*lines[:5], f"{utt} test -e {tmp_path}/go && cat {path} |", *lines[6:]]) + "\n"
    )
    done = script("steps/pack_audio.py", "--allow-pipes", source, tmp_path / "out", check=False)
    assert done.returncode == 1 and "wav.scp:6" in done.stderr
    (tmp_path / "go").touch()
    script("steps/pack_audio.py", "--allow-pipes", source, tmp_path / "out")
    recordings = Recordings(tmp_path / "out")
    assert len(recordings) == 48
    np.testing.assert_array_equal(recordings.read(5), soundfile.read(path, dtype="int16")[0])
