"""local/prepare_voxceleb.py on a tree of VoxCeleb's shape: every layout; what is missing is named, nothing guessed."""

import http.server
import importlib.util
import shutil
import subprocess
import threading
import zipfile

import numpy as np
import pytest
import soundfile

from dlglc.data import download
from dlglc.data.audio import Recordings
from dlglc.data.tables import read_table, read_trials
from dlglc.errors import RecipeError
from dlglc.settings import SCHEMAS, load_settings
from support import scripts

pytestmark = pytest.mark.slow

needs_av = pytest.mark.skipif(not importlib.util.find_spec("av"), reason="no av: pip install av to run this test")
LISTS = ("trials", *(f"trials_vox1_{name}" for name in ("o", "e", "e_cleaned", "h", "h_cleaned")))


def test_data_directories_hide_the_speakers(voxceleb, prepare, root, tmp_path):
    prepare("corpus", voxceleb, "--partial")
    prepare("data", voxceleb, "--partial")
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


@pytest.mark.slow
def test_stages_1_and_2(voxceleb, prepare, root, tmp_path):
    """As run.sh draws them: packed by two jobs, validated, features."""
    prepare("corpus", voxceleb, "--partial")
    prepare("data", voxceleb, "--partial")
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


def test_an_incomplete_corpus_stops_with_counts_unless_asked(voxceleb, prepare, tmp_path):
    done = prepare("corpus", voxceleb, check=False)
    assert done.returncode == 1
    assert "vox2_dev has 8 speakers and 48 utterances, published are (5994, 1092009)" in done.stderr
    assert "vox1_test has 4 speakers" in done.stderr and "--partial" in done.stderr
    assert not (tmp_path / "work").exists()
    done = prepare("data", tmp_path / "nowhere", check=False)
    assert done.returncode == 1 and "no such folder: register" in done.stderr


def test_trials_without_audio_are_named(voxceleb, prepare, tmp_path):
    copy = tmp_path / "tree"
    shutil.copytree(voxceleb, copy)
    shutil.rmtree(copy / "VoxCeleb1/dev")
    prepare("corpus", copy, "--partial")
    done = prepare("data", copy, "--partial")
    assert "list_test_all2.txt" in done.stdout and "trials without audio, e.g. id1000" in done.stdout
    prepare("data", copy, "--partial", "--lists", "o_cleaned")
    assert len(read_table(tmp_path / "local/eval/wav.scp")) <= 20
    shutil.rmtree(copy / "VoxCeleb1")
    done = prepare("data", copy, "--partial", check=False)
    assert done.returncode == 1 and "is VoxCeleb1 complete?" in done.stderr


def test_the_test_set_of_voxceleb2_never_trains(voxceleb, prepare, tmp_path):
    copy = tmp_path / "tree"
    shutil.copytree(voxceleb, copy)
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


@pytest.mark.slow
def test_archives_in_parts_are_unpacked_and_an_interrupted_run_goes_on(voxceleb, prepare, tmp_path):
    corpus = tmp_path / "archives"
    corpus.mkdir()
    shutil.copytree(voxceleb / "meta", corpus / "meta")
    zip_tree(voxceleb, "VoxCeleb2/dev/aac", corpus / "whole")
    data = (corpus / "whole").read_bytes()
    (corpus / "whole").unlink()
    size = -(-len(data) // 8)
    for i in range(8):
        (corpus / f"vox2_dev_aac_parta{'abcdefgh'[i]}").write_bytes(data[i * size : (i + 1) * size])
    zip_tree(voxceleb, "VoxCeleb1/dev/wav", corpus / "vox1_dev_wav.zip")
    zip_tree(voxceleb, "VoxCeleb1/test/wav", corpus / "vox1_test_wav.zip")
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
    originals = {file.parent.name + file.name: file.read_bytes() for file in voxceleb.glob("VoxCeleb2/dev/aac/*/*/*")}
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


def test_lists_are_downloaded_and_checked(voxceleb, prepare, tmp_path):
    copy = tmp_path / "tree"
    shutil.copytree(voxceleb, copy)
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
