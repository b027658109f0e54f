"""local/prepare_voxceleb.py on a tree of VoxCeleb's shape: every layout; what is missing is named, nothing guessed."""

import http.server
import importlib.util
import os
import shutil
import signal
import subprocess
import threading
import zipfile

import numpy as np
import pytest
import soundfile

from dlglc.data import download
from dlglc.data.audio import Recordings, packed_wav
from dlglc.data.tables import read_table, read_trials
from dlglc.errors import RecipeError
from dlglc.settings import SCHEMAS, load_settings
from standin import SMALL, make_tree
from support import scripts
from support.waiting import wait_for

needs_av = pytest.mark.skipif(not importlib.util.find_spec("av"), reason="no av: pip install av to run this test")
LISTS = ("trials", *(f"trials_vox1_{name}" for name in ("o", "e", "e_cleaned", "h", "h_cleaned")))


@pytest.fixture(scope="module")
def tree(speech, once):
    """The stand-in; tests must not change it."""
    return once("voxceleb_tree", lambda top: make_tree(top, speech))


@pytest.fixture
def prepare(script, tmp_path):
    """Run a part of prepare_voxceleb.py with its work in tmp_path."""

    def run(part, tree, *words, check=True):
        out = [tmp_path / "local"] if part == "data" else []
        words = ["--work", tmp_path / "work", *words]
        return script("local/prepare_voxceleb.py", part, tree, *out, *words, check=check)

    return run


def test_data_directories_hide_the_speakers(tree, prepare, root, tmp_path):
    prepare("corpus", tree, "--partial")
    prepare("data", tree, "--partial")
    for name, utterances, speakers in (("train", 48, 8), ("eval", 28, 6)):
        folder = tmp_path / "local" / name
        wav = read_table(folder / "wav.scp")
        assert read_table(folder / "utt2spk") == read_table(folder / "spk2utt") == {utt: utt for utt in wav}
        truth = read_table(folder / "utt2spk.truth")
        assert truth.keys() == wav.keys() and len(wav) == utterances
        assert len(set(truth.values())) == speakers
        assert all("-".join(path[:-4].rsplit("/", 3)[1:]) == utt for utt, path in wav.items())
        assert all(soundfile.info(path).samplerate == 16000 for path in wav.values())
        done = subprocess.run(
            [root / "utils/validate_data_dir.sh", "--no-feats", "--unlabelled", "true", folder],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    truth = read_table(tmp_path / "local/eval/utt2spk.truth")
    for name in LISTS:
        enrol, test, target = read_trials(tmp_path / "local/eval" / name)
        assert len(enrol) == 40 and sum(target) == 20
        assert [truth[a] == truth[b] for a, b in zip(enrol, test)] == target
        # Vox1-O has speakers of the test set only.
        assert any(truth[a] < "id10270" for a in enrol) == ("_e" in name or "_h" in name)


def test_stages_1_and_2(tree, prepare, root, tmp_path):
    """As run.sh draws them: packed by two jobs, validated, features."""
    prepare("corpus", tree, "--partial")
    prepare("data", tree, "--partial")
    data = tmp_path / "data"

    def utility(name, *words):
        words = [root / "utils" / name, *words]
        done = subprocess.run(words, cwd=root, env=scripts.environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    for name in ("train", "eval"):
        tables = "wav.scp,utt2dur,utt2num_samples"
        utility("map_data.sh", "--nj", "2", tmp_path / "local" / name, data / name, tables, "steps/pack_audio.py")
        for path in (tmp_path / "local" / name).iterdir():
            if path.is_file() and path.name != "wav.scp":
                shutil.copy(path, data / name)
        utility("validate_data_dir.sh", "--no-feats", "--unlabelled", "true", data / name)
    tables = "feats.scp,utt2num_frames"
    utility("map_data.sh", "--nj", "2", data / "eval", data / "eval", tables, "steps/make_fbank.py")
    utility("validate_data_dir.sh", "--unlabelled", "true", data / "eval")
    recordings = Recordings(data / "train")
    assert len(recordings) == 48 and len(read_table(data / "eval/feats.scp")) == 28
    for i, path in enumerate(read_table(tmp_path / "local/train/wav.scp").values()):
        np.testing.assert_array_equal(recordings.read(i), soundfile.read(path, dtype="int16")[0])


def test_an_incomplete_corpus_stops_with_counts_unless_asked(tree, prepare, tmp_path):
    done = prepare("corpus", tree, check=False)
    assert done.returncode == 1
    assert "vox2_dev has 8 speakers and 48 utterances, published are (5994, 1092009)" in done.stderr
    assert "vox1_test has 4 speakers" in done.stderr and "--partial" in done.stderr
    assert not (tmp_path / "work").exists()
    done = prepare("data", tmp_path / "nowhere", check=False)
    assert done.returncode == 1 and "no such folder: register" in done.stderr


def test_trials_without_audio_are_named(tree, prepare, tmp_path):
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy)
    shutil.rmtree(copy / "VoxCeleb1/dev")
    prepare("corpus", copy, "--partial")
    done = prepare("data", copy, "--partial")
    assert "list_test_all2.txt" in done.stdout and "trials without audio, e.g. id1000" in done.stdout
    prepare("data", copy, "--partial", "--lists", "o_cleaned")
    assert len(read_table(tmp_path / "local/eval/wav.scp")) <= 20
    shutil.rmtree(copy / "VoxCeleb1")
    done = prepare("data", copy, "--partial", check=False)
    assert done.returncode == 1 and "is VoxCeleb1 complete?" in done.stderr


def test_the_test_set_of_voxceleb2_never_trains(tree, prepare, tmp_path):
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy)
    speakers = sorted((copy / "VoxCeleb2/dev/aac").iterdir())
    (copy / "VoxCeleb2/test/aac").mkdir(parents=True)
    speakers[0].rename(copy / "VoxCeleb2/test/aac" / speakers[0].name)
    rows = [f"{folder.name} ,n000001 ,f ,{'test' if i == 1 else 'dev'}" for i, folder in enumerate(speakers)]
    (copy / "VoxCeleb2/vox2_meta.csv").write_text("\n".join(["VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set", *rows]) + "\n")
    twin = next(speakers[3].rglob("*.wav")).with_suffix(".m4a")
    twin.write_bytes(b"the same utterance as it was before somebody converted it")
    prepare("corpus", copy, "--partial")
    done = prepare("data", copy, "--partial")
    assert all(path.endswith(".wav") for path in read_table(tmp_path / "local/train/wav.scp").values())
    assert "VoxCeleb2's test set (12 utterances) is left out" in done.stdout
    truth = set(read_table(tmp_path / "local/train/utt2spk.truth").values())
    assert truth == {folder.name for folder in speakers[2:]}


def test_every_configuration_is_known(root):
    files = {str(p.relative_to(root / "conf/voxceleb")): p for p in (root / "conf/voxceleb").rglob("*.yaml")}
    assert {"dino.yaml", "dlglc.yaml", "cluster.yaml", "ecapa1024/dino.yaml", "1gpu/dino.yaml"} <= files.keys()
    settings = {name: load_settings(SCHEMAS[path.stem], path) for name, path in files.items()}
    assert settings["dino.yaml"].batch_size == settings["1gpu/dino.yaml"].batch_size == 256
    assert settings["1gpu/dino.yaml"].accumulate == 4
    assert settings["ecapa1024/dino.yaml"].encoder.channels == 1024
    assert settings["ecapa1024/dino.yaml"].precision == "bfloat16"


def zip_tree(tree, folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((tree / folder).rglob("*.*")):
            archive.write(file, file.relative_to(tree / folder.split("/")[0]))


def test_archives_in_parts_are_unpacked_and_an_interrupted_run_goes_on(tree, prepare, tmp_path):
    corpus = tmp_path / "archives"
    corpus.mkdir()
    shutil.copytree(tree / "meta", corpus / "meta")
    zip_tree(tree, "VoxCeleb2/dev/aac", corpus / "whole")
    data = (corpus / "whole").read_bytes()
    (corpus / "whole").unlink()
    size = -(-len(data) // 8)
    for i in range(8):
        (corpus / f"vox2_dev_aac_parta{'abcdefgh'[i]}").write_bytes(data[i * size : (i + 1) * size])
    zip_tree(tree, "VoxCeleb1/dev/wav", corpus / "vox1_dev_wav.zip")
    zip_tree(tree, "VoxCeleb1/test/wav", corpus / "vox1_test_wav.zip")
    done = prepare("corpus", corpus, check=False)
    assert done.returncode == 1 and "MD5 is not the published da070494c573e5c0564b1d11c3b20577" in done.stderr
    prepare("corpus", corpus, "--partial")
    prepare("data", corpus, "--partial")
    wav = read_table(tmp_path / "local/train/wav.scp")
    assert len(wav) == 48
    # As after a run that was stopped: a file is missing, one is cut short, a third is half written.
    first, second, third, *others = map(type(tmp_path), wav.values())
    times = [path.stat().st_mtime_ns for path in others]
    first.unlink()
    second.write_bytes(b"RIFF")
    third.rename(f"{third}.tmp")
    prepare("corpus", corpus, "--partial")
    assert [path.stat().st_mtime_ns for path in others] == times
    originals = {file.parent.name + file.name: file.read_bytes() for file in tree.glob("VoxCeleb2/dev/aac/*/*/*")}
    assert all(path.read_bytes() == originals[path.parent.name + path.name] for path in (first, second, third))

    (corpus / "vox2_dev_aac_partad").unlink()
    shutil.rmtree(tmp_path / "work")
    done = prepare("corpus", corpus, "--partial", check=False)
    assert done.returncode == 1 and "a part is missing" in done.stderr


def test_an_archive_cannot_leave_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../escaped", "x")
    with pytest.raises(RecipeError, match="would leave"):
        download.unzip([tmp_path / "evil.zip"], tmp_path / "deep/out")
    assert not (tmp_path / "deep/escaped").exists()


def test_lists_are_downloaded_and_checked(tree, prepare, tmp_path):
    copy = tmp_path / "tree"
    shutil.copytree(tree, copy)
    (copy / "meta").rename(tmp_path / "site")
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *words: handler(*words, directory=str(tmp_path / "site"))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        dead = prepare("corpus", copy, "--partial", "--url", "http://127.0.0.1:1", check=False)
        assert dead.returncode == 1 and "no mirror delivers this file" in dead.stderr
        (tmp_path / "work/trials").mkdir(parents=True, exist_ok=True)
        (tmp_path / "work/trials/veri_test2.txt.part").write_bytes((tmp_path / "site/veri_test2.txt").read_bytes()[:99])
        prepare("corpus", copy, "--partial", "--url", "http://127.0.0.1:1", "--url", url)
        lists = sorted(path.name for path in (tmp_path / "work/trials").iterdir())
        assert lists == sorted(path.name for path in (tmp_path / "site").iterdir())
        for name in lists:
            assert (tmp_path / "work/trials" / name).read_bytes() == (tmp_path / "site" / name).read_bytes()
        with pytest.raises(RecipeError, match=r"md5 .*expected any size and 0000"):
            download.fetch([f"{url}/veri_test.txt"], tmp_path / "list", "0" * 32)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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


def test_packing_that_was_killed_goes_on_and_ends_with_the_same_bits(tree, prepare, script, tmp_path):
    prepare("corpus", tree, "--partial")
    prepare("data", tree, "--partial")
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


def test_a_recording_that_is_refused_is_asked_again(tree, prepare, script, tmp_path):
    """What lies behind a fault is packed already, and must not slip into the fault's place."""
    prepare("corpus", tree, "--partial")
    prepare("data", tree, "--partial")
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
