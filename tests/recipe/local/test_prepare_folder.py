"""prepare_folder: what sub-folders, channels, labels and held-out folders mean, and mistakes with them."""

import re

import numpy as np
import pytest
import soundfile

from dlglc.data.tables import read_table
from prepare_folder import FILES, few_of_each

SCRIPT = "local/prepare_folder.py"


@pytest.fixture
def corpus(tmp_path):
    """Two people on two days with three files each, one of them stereo, and a file in no folder."""
    for person in ("anna", "ben"):
        for day in ("mon", "tue"):
            (tmp_path / "corpus" / person / day).mkdir(parents=True)
            for i in range(3):
                noise = np.zeros((1600, 2 if i == 2 else 1), np.int16)
                soundfile.write(tmp_path / "corpus" / person / day / f"{i}.wav", noise, 16000)
    soundfile.write(tmp_path / "corpus/x.wav", noise, 16000)
    (tmp_path / "corpus/notes.txt").write_text("no audio\n")
    return tmp_path / "corpus"


def tables(folder):
    return {path.name: read_table(path) for path in folder.iterdir()}


def test_every_file_is_an_utterance_and_a_speaker_of_its_own(script, corpus, tmp_path):
    done = script(SCRIPT, "data", corpus, tmp_path / "out")
    assert "13 audio files; 1 other files are ignored (.txt 1)" in done.stdout
    found = tables(tmp_path / "out/train")
    assert found.keys() == {"wav.scp", "utt2spk", "spk2utt"}
    assert len(found["wav.scp"]) == 13
    assert found["wav.scp"]["anna--mon--0.wav"] == str(corpus / "anna/mon/0.wav")
    assert found["utt2spk"] == found["spk2utt"] == {utt: utt for utt in found["wav.scp"]}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train"]


def test_sub_folders_as_sessions(script, corpus, tmp_path):
    script(SCRIPT, "data", corpus, tmp_path / "out", "--folders", "session")
    found = tables(tmp_path / "out/train")
    assert found["utt2sess"]["ben--tue--1.wav"] == "ben--tue"
    assert found["utt2sess"]["x.wav"] == "x.wav"
    assert "utt2spk.truth" not in found
    script(SCRIPT, "data", corpus, tmp_path / "out")
    assert "utt2sess" not in tables(tmp_path / "out/train")  # of the run before


def test_sub_folders_as_speakers(script, corpus, tmp_path):
    done = script(SCRIPT, "data", corpus, tmp_path / "out", "--folders", "speaker", check=False)
    assert done.returncode == 1
    assert "x.wav: --folders speaker: this file is in no sub-folder" in done.stderr
    (corpus / "x.wav").unlink()
    script(SCRIPT, "data", corpus, tmp_path / "out", "--folders", "speaker")
    found = tables(tmp_path / "out/train")
    assert set(found["utt2spk.truth"].values()) == {"anna", "ben"}
    assert found["utt2spk"]["anna--mon--0.wav"] == "anna--mon--0.wav"


def test_channels_as_utterances(script, corpus, tmp_path):
    script(SCRIPT, "data", corpus, tmp_path / "out", "--channels", "split")
    found = tables(tmp_path / "out/train")
    assert len(found["wav.scp"]) == 13 + 5
    assert found["utt2channel"]["anna--mon--2.wav-ch1"] == "0"
    assert found["utt2channel"]["anna--mon--2.wav-ch2"] == "1"
    assert found["wav.scp"]["anna--mon--2.wav-ch1"] == found["wav.scp"]["anna--mon--2.wav-ch2"]
    assert found["utt2sess"]["anna--mon--2.wav-ch1"] == "anna--mon--2.wav"
    assert "anna--mon--0.wav" not in found["utt2channel"]


def labelled(corpus, lines):
    (corpus / "labels").write_text("".join(f"{line}\n" for line in lines))
    return ["--labels", corpus / "labels"]


LINES = [
    f"{person}/{day}/{i}.wav {person} {day}" for person in ("anna", "ben") for day in ("mon", "tue") for i in (0, 1)
]


def test_labels_make_an_evaluation_set(script, corpus, tmp_path):
    done = script(SCRIPT, "data", corpus, tmp_path / "out", *labelled(corpus, LINES))
    assert "8 files of 2 speakers" in done.stdout
    train, held = tables(tmp_path / "out/train"), tmp_path / "out/eval"
    assert not train["wav.scp"].keys() & read_table(held / "wav.scp").keys()
    assert len(train["wav.scp"]) == 5
    assert read_table(held / "utt2sess")["ben--mon--1.wav"] == "mon"
    trials = {
        name: [line.split() for line in (held / name).read_text().splitlines()]
        for name in ("trials", "trials_within", "trials_across")
    }
    kinds = {name: [kind for *_, kind in lines] for name, lines in trials.items()}
    assert kinds["trials"].count("target") == 2 * 6
    assert kinds["trials_within"].count("target") == 2 * 2
    assert kinds["trials_across"].count("target") == 2 * 4
    assert len({kinds[name].count("nontarget") for name in kinds}) == 1
    again = script(SCRIPT, "data", corpus, tmp_path / "again", *labelled(corpus, LINES))
    assert again.returncode == 0
    assert (tmp_path / "again/eval/trials").read_text() == (held / "trials").read_text()


def test_without_sessions_there_is_one_list(script, corpus, tmp_path):
    script(SCRIPT, "data", corpus, tmp_path / "out", *labelled(corpus, [line.rsplit(" ", 1)[0] for line in LINES]))
    assert [path.name for path in (tmp_path / "out/eval").glob("trials*")] == ["trials"]


def test_a_held_out_folder_makes_an_evaluation_set_too(script, corpus, tmp_path):
    (corpus / "anna").rename(tmp_path / "anna")
    (tmp_path / "held").mkdir()
    (tmp_path / "anna").rename(tmp_path / "held/anna")
    script(SCRIPT, "data", corpus, tmp_path / "out", "--held-out", tmp_path / "held", *labelled(corpus, LINES[4:]))
    truth = read_table(tmp_path / "out/eval/utt2spk.truth")
    assert truth["held-out--anna--mon--0.wav"] == "anna"
    assert truth["ben--mon--0.wav"] == "ben"
    assert set(read_table(tmp_path / "out/train/wav.scp")) == {"ben--mon--2.wav", "ben--tue--2.wav", "x.wav"}


def test_labels_of_a_run_before_do_not_stay(script, corpus, tmp_path):
    """Their files are trained on now. run.sh has packed them beside the folder `local`."""
    script(SCRIPT, "data", corpus, tmp_path / "data/local", *labelled(corpus, LINES))
    (tmp_path / "data/local/eval").rename(tmp_path / "data/eval")
    script(SCRIPT, "data", corpus, tmp_path / "data/local")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["local"]
    assert len(read_table(tmp_path / "data/local/train/wav.scp")) == 13


@pytest.mark.parametrize(
    ("part", "lines", "words"),
    [
        ("corpus", None, "gone: no such folder: .*--corpus-dir"),
        ("corpus", [], r"no audio in it: 1 files have other endings \(\.txt 1\)"),
        ("data", LINES[:4], "1 labelled speakers, 4 files: trials need two speakers"),
        ("data", [LINES[0], LINES[4]], "2 labelled speakers, 2 files: trials need"),
        ("data", "all", "every file is for evaluation"),
    ],
)
def test_mistakes_are_named(script, corpus, tmp_path, part, lines, words):
    options, folder = [], corpus
    if lines is None:
        folder = tmp_path / "gone"
    elif lines == []:
        folder = tmp_path / "texts"
        folder.mkdir()
        (folder / "a.txt").write_text("no audio\n")
    elif lines == "all":
        options = labelled(corpus, [f"{path.relative_to(corpus)} {path.parts[-3]}" for path in corpus.rglob("*.wav")])
    else:
        options = labelled(corpus, lines)
    done = script(SCRIPT, part, folder, tmp_path / "out", *options, check=False)
    assert done.returncode == 1
    assert re.search(words, done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_trials_are_drawn_from_some_of_very_many_files():
    speakers = {f"u{i:05d}": f"s{i % 10}" for i in range(3 * FILES)}
    few = few_of_each(speakers, 0)
    assert len(few) == FILES
    assert all(list(few.values()).count(f"s{i}") == FILES // 10 for i in range(10))
    assert few == few_of_each(dict(sorted(speakers.items(), reverse=True)), 0)
    assert few.keys() != few_of_each(speakers, 1).keys()
    assert few_of_each(dict(list(speakers.items())[:FILES]), 0) == dict(list(speakers.items())[:FILES])
