"""Corpora trained together: their sets as one, whose ids do not clash, and one evaluation set."""

import pytest

from dlglc.data.tables import read_table, write_data_dir, write_table

pytestmark = pytest.mark.slow


def write_set(folder, speakers, prefix, sessions=1):
    """A set with two utterances in each session of each speaker; paths start from the corpus."""
    utts = {f"{s}-{k}-{u}": s for s in speakers for k in range(sessions) for u in range(2)}
    write_data_dir(folder, {utt: f"{prefix}{utt}.wav" for utt in utts}, utts)
    write_table(folder / "utt2sess", {utt: utt[:-2] for utt in utts})


@pytest.fixture
def corpora(tmp_path):
    """Two corpora with the same ids: one in a folder of its own, one with train/ and eval/."""
    top = tmp_path / "corpora"
    write_set(top / "small", ["a", "b"], "audio/")
    write_set(top / "big/train", ["a", "c"], "train/")
    write_set(top / "big/eval", [f"s{k}" for k in range(8)], "eval/", sessions=2)
    (top / "notes").mkdir()
    return top


def test_sets_of_all_corpora_are_one(script, corpora, tmp_path):
    script("local/prepare_pool.py", "corpus", corpora)
    script("local/prepare_pool.py", "data", corpora, tmp_path / "out")
    wav, truth = read_table(tmp_path / "out/train/wav.scp"), read_table(tmp_path / "out/train/utt2spk.truth")
    assert len(wav) == 8
    assert wav["small-a-0-0"] == str(corpora / "small/audio/a-0-0.wav")
    assert wav["big-a-0-0"] == str(corpora / "big/train/a-0-0.wav")
    assert set(truth.values()) == {"small-a", "small-b", "big-a", "big-c"}
    assert all(utt == speaker for utt, speaker in read_table(tmp_path / "out/train/utt2spk").items())
    held_out = tmp_path / "out/eval"
    assert read_table(held_out / "wav.scp")["s0-0-0"] == str(corpora / "big/eval/s0-0-0.wav")
    assert (held_out / "trials").exists() and (held_out / "trials_final_within").exists()
    assert not (held_out / "trials_books").exists()  # books are not known


def test_some_corpora_can_be_chosen(script, corpora, tmp_path):
    script("local/prepare_pool.py", "data", corpora, tmp_path / "out", "--parts", "big")
    assert set(read_table(tmp_path / "out/train/utt2spk.truth").values()) == {"big-a", "big-c"}
    done = script("local/prepare_pool.py", "data", corpora, tmp_path / "out", "--parts", "big", "huge", check=False)
    assert done.returncode == 1 and f"{corpora}/huge: no wav.scp there" in done.stderr


def test_the_evaluation_set_must_be_clear(script, corpora, tmp_path):
    write_set(corpora / "third/eval", ["x", "y"], "eval/", sessions=2)
    done = script("local/prepare_pool.py", "corpus", corpora, check=False)
    assert "big, third have an eval/ with sessions: choose one with --eval" in done.stderr
    done = script("local/prepare_pool.py", "corpus", corpora, "--eval", "small", check=False)
    assert f"{corpora}/small/eval/utt2sess: no such file" in done.stderr
    script("local/prepare_pool.py", "corpus", corpora, "--eval", "big")


def test_an_utterance_without_a_speaker_is_named(script, corpora, tmp_path):
    lines = (corpora / "small/utt2spk").read_text().splitlines(True)
    (corpora / "small/utt2spk").write_text("".join(lines[1:]))
    done = script("local/prepare_pool.py", "data", corpora, tmp_path / "out", check=False)
    assert done.returncode == 1
    assert f"{corpora}/small/utt2spk: no line for 'a-0-0' of wav.scp" in done.stderr
