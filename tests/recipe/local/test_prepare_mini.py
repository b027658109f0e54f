"""local/prepare_mini.py makes the same small corpus each time, hides its speakers, and never leaves a mix."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import soundfile

from dlglc.data.arks import read_embeddings
from dlglc.data.tables import read_table, read_trials
from trials import draw_trials

pytestmark = pytest.mark.slow
SMALL = ["--speakers", "3", "--utterances", "3", "--eval-speakers", "4", "--eval-utterances", "3"]


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def mini(script, once):
    """(corpus directory, data directory) of a small corpus; tests must not change it."""

    def make(top):
        script("local/prepare_mini.py", "corpus", top / "corpus", *SMALL, "--nj", 1)
        script("local/prepare_mini.py", "data", top / "corpus", top / "data")

    top = once("mini", make)
    return top / "corpus", top / "data"


def test_audio(mini):
    files = sorted(mini[0].glob("*/*/*.wav"))
    assert len(files) == 3 * 3 + 4 * 3
    for file in files:
        header = soundfile.info(file)
        assert (header.samplerate, header.channels, header.subtype) == (16000, 1, "PCM_16")
        assert 2.0 <= header.duration <= 6.0
        x, _ = soundfile.read(file)
        assert np.abs(x).max() < 0.95, f"{file} is clipped"
        assert -40 < 20 * np.log10(x.std()) < -10, f"{file} is silent or too loud"


def test_same_bytes_in_any_number_of_processes_and_at_any_path(script, mini, tmp_path):
    corpus = tmp_path / ("a-path-longer-than-the-buffers-of-the-library" * 4) / "corpus"
    script("local/prepare_mini.py", "corpus", corpus, *SMALL, "--nj", 3)
    assert hashes(corpus) == hashes(mini[0])


def test_speakers_differ_and_another_seed_is_another_corpus(script, mini, tmp_path):
    voices = [path.read_text().split("name m0")[1] for path in sorted((mini[0] / "voices").iterdir())]
    assert len(set(voices)) == 7
    script("local/prepare_mini.py", "corpus", tmp_path / "corpus", *SMALL, "--seed", 1)
    old, new = hashes(mini[0]), hashes(tmp_path / "corpus")
    assert old.keys() == new.keys()
    assert all(old[name] != new[name] for name in old if name.endswith(".wav"))


def test_data_directories(mini):
    speakers = {}
    for name, number in (("train", 9), ("eval", 12)):
        folder = mini[1] / name
        wav = read_table(folder / "wav.scp")
        assert len(wav) == number
        assert all(soundfile.info(path).frames for path in wav.values())
        assert read_table(folder / "utt2spk") == read_table(folder / "spk2utt") == {utt: utt for utt in wav}
        truth = read_table(folder / "utt2spk.truth")
        assert truth.keys() == wav.keys()
        assert all(utt.startswith(f"{speaker}-") for utt, speaker in truth.items())
        for utt, seconds in read_table(folder / "utt2dur").items():
            assert float(seconds) == pytest.approx(soundfile.info(wav[utt]).duration, abs=1e-3)
        speakers[name] = set(truth.values())
    assert len(speakers["train"]) == 3 and len(speakers["eval"]) == 4
    assert not speakers["train"] & speakers["eval"]
    assert not (mini[1] / "train/trials").exists()


def test_only_utt2spk_truth_groups_utterances(mini):
    named = [path.name for path in (mini[1] / "train").iterdir() if len(set(read_table(path).values())) < 9]
    assert named == ["utt2spk.truth"]


def test_trials_follow_the_documented_recipe(mini):
    truth = read_table(mini[1] / "eval/utt2spk.truth")
    gender = read_table(mini[0] / "spk2gender")
    enrol, test, target = read_trials(mini[1] / "eval/trials")
    pairs = list(zip(enrol, test))
    assert pairs == sorted(pairs)
    assert len({frozenset(pair) for pair in pairs}) == len(pairs) == 12 * 11 // 2  # few pairs: all are taken
    for (a, b), same in zip(pairs, target):
        assert a != b
        assert (truth[a] == truth[b]) == same
    assert sum(target) == 4 * 3
    cross = sum(gender[truth[a]] != gender[truth[b]] for a, b in pairs)
    assert cross == 4 * 9


def test_trial_recipe_is_fixed():
    """A list once published must never change: it is pinned here by its digest."""
    utt2spk = {f"s{s}-{u:02d}": f"s{s}" for s in range(6) for u in range(8)}
    lines = draw_trials(utt2spk, {f"s{s}": "fm"[s % 2] for s in range(6)}, 10, 7)
    kinds = [line.split()[2] for line in lines]
    assert (kinds.count("target"), kinds.count("nontarget")) == (60, 120)
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == "cdc4f1f3b9ba693c"


def test_finished_corpus_is_reused_and_half_made_one_is_rebuilt(script, mini, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(mini[0], corpus)
    whole = hashes(corpus)
    times = {path: path.stat().st_mtime_ns for path in corpus.rglob("*.wav")}
    assert "reused" in script("local/prepare_mini.py", "corpus", corpus, *SMALL).stdout
    assert times == {path: path.stat().st_mtime_ns for path in corpus.rglob("*.wav")}

    # A run that was stopped: no stamp, its mark, a file cut short, another missing, one that does not belong.
    (corpus / "corpus.json").unlink()
    (corpus / "corpus.unfinished").write_text("")
    (corpus / "train/m001/m001-u001.wav").write_bytes(b"RIFF")
    (corpus / "eval/m004/m004-u001.wav").unlink()
    (corpus / "eval/m004/m004-u009.wav").write_bytes(b"RIFF")
    done = script("local/prepare_mini.py", "data", corpus, tmp_path / "data", check=False)
    assert done.returncode == 1 and "no finished mini corpus" in done.stderr
    script("local/prepare_mini.py", "corpus", corpus, *SMALL)
    assert hashes(corpus) == whole

    # A finished one that lost a file, asked for with other settings.
    (corpus / "train/m001/m001-u001.wav").unlink()
    script("local/prepare_mini.py", "corpus", corpus, *SMALL, "--utterances", "1")
    assert json.loads((corpus / "corpus.json").read_text())["settings"]["train"] == [3, 1]
    assert sorted(path.name for path in corpus.glob("train/*/*")) == [f"m00{i}-u001.wav" for i in (1, 2, 3)]


def test_data_is_reused_and_rewritten_when_half_made(script, mini, tmp_path):
    data = tmp_path / "data"
    script("local/prepare_mini.py", "data", mini[0], data)
    whole = hashes(data)
    assert whole.keys() == hashes(mini[1]).keys()
    assert "reused" in script("local/prepare_mini.py", "data", mini[0], data).stdout
    (data / "eval/trials").unlink()
    (data / "train/utt2dur").write_text("m001-u001 1\n")
    script("local/prepare_mini.py", "data", mini[0], data)
    assert hashes(data) == whole


def test_mistakes_are_named(script, tmp_path):
    done = script("local/prepare_mini.py", "corpus", tmp_path / "c", "--eval-speakers", 1, check=False)
    assert done.returncode == 1 and "--eval-speakers 1: must be 2 or more" in done.stderr
    done = script("local/prepare_mini.py", "corpus", tmp_path / "c", "--nj", 0, check=False)
    assert done.returncode == 1 and "--nj 0" in done.stderr
    done = script("local/prepare_mini.py", "data", tmp_path / "nowhere", tmp_path / "d", check=False)
    assert done.returncode == 1 and "nowhere: no finished mini corpus" in done.stderr
    assert script("local/prepare_mini.py", "corpse", tmp_path / "c", check=False).returncode == 2


def test_the_data_of_others_is_left_alone(script, tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/precious").write_text("x")
    done = script("local/prepare_mini.py", "corpus", tmp_path, *SMALL, check=False)
    assert done.returncode == 1 and f"{tmp_path}/train: already there" in done.stderr
    assert (tmp_path / "train/precious").exists()


def test_mfcc_baseline(script, mini, tmp_path):
    script("local/mfcc_baseline.py", mini[1] / "eval", tmp_path)
    ids, matrix = read_embeddings(tmp_path / "embedding.scp")
    assert ids == list(read_table(mini[1] / "eval/wav.scp"))
    assert matrix.shape == (12, 60)
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(matrix.std(axis=0), 1, atol=1e-4)


def test_help_is_the_docstring(script):
    for name in ("prepare_mini.py", "make_noise.py", "mfcc_baseline.py"):
        text = script(f"local/{name}", "--help").stdout
        assert "Example" in text and "Writes" in text
