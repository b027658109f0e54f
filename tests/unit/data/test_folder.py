"""A folder of audio as it is: which files are taken, their ids, what folders and label files say."""

import os

import numpy as np
import pytest
import soundfile

from dlglc.data.folder import (
    count_channels,
    evaluation_of,
    find_audio,
    id_of,
    read_labels,
    session_of,
    speaker_of,
)
from dlglc.errors import RecipeError


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_audio_by_its_ending_and_the_rest_is_counted(tmp_path):
    touch(tmp_path, "b.WAV", "a/c.mp3", "a/notes.txt", "a/d.txt", "readme", ".hidden/x.wav", "a/.y.wav", "z.opus")
    found = find_audio(tmp_path)
    assert list(found.files) == sorted(found.files) == ["a--c.mp3", "b.WAV", "z.opus"]
    assert found.files["a--c.mp3"] == str(tmp_path.resolve() / "a/c.mp3")
    assert found.others == 3
    assert found.endings == ".txt 2, .none 1"


def test_links_are_followed_and_circles_end(tmp_path):
    touch(tmp_path, "corpus/a/x.wav", "elsewhere/y.wav")
    os.symlink(tmp_path / "elsewhere", tmp_path / "corpus/link")
    os.symlink(tmp_path / "corpus", tmp_path / "corpus/a/up")
    assert list(find_audio(tmp_path / "corpus").files) == ["a--x.wav", "link--y.wav"]


def test_files_with_names_that_no_table_can_hold_are_linked(tmp_path):
    touch(tmp_path / "corpus", "fine.wav", "new\nline.wav")
    (tmp_path / "corpus" / os.fsdecode(b"latin-\xe9.wav")).write_bytes(b"")
    found = find_audio(tmp_path / "corpus")
    assert list(found.files) == ["fine.wav"]
    assert len(found.strange) == 2
    found.link_strange(tmp_path / "links")
    assert len(found.files) == 3
    for utt, path in found.files.items():
        assert utt.isprintable() and path.isprintable()
        assert os.path.exists(path)


def test_ids_hold_no_blanks_and_differ_where_paths_differ():
    paths = ["a b/c.wav", "a/b c.wav", "a%20b/c.wav", "a--b/c.wav", "a/b/c.wav", "é/c.wav", "a\tb.wav"]
    ids = [id_of(path) for path in paths]
    assert ids[0] == "a%20b--c.wav"
    assert ids[5] == "é--c.wav"
    assert len(set(ids)) == len(ids)
    assert not any(" " in utt or "\t" in utt for utt in ids)


def test_folders_as_sessions_and_speakers():
    assert (session_of("anna--monday--x.wav"), session_of("x.wav")) == ("anna--monday", "x.wav")
    assert speaker_of("anna--monday--x.wav") == "anna"
    with pytest.raises(RecipeError, match=r"x\.wav: .*sub-folder"):
        speaker_of("x.wav")


@pytest.fixture
def corpus(tmp_path):
    touch(tmp_path / "corpus", "anna/a.wav", "anna/b.wav", "ben x/c.wav")
    return tmp_path / "corpus", find_audio(tmp_path / "corpus")


def labels(tmp_path, corpus, text):
    (tmp_path / "labels").write_text(text)
    return read_labels(tmp_path / "labels", *corpus)


def test_labels_name_files_by_path_or_id(tmp_path, corpus):
    found = labels(tmp_path, corpus, f"# people\nanna/a.wav A monday\n\n{corpus[0]}/anna/b.wav A\nben%20x--c.wav B\n")
    assert found == {
        **{"anna--a.wav": ("A", "monday"), "anna--b.wav": ("A", "anna--b.wav")},
        "ben%20x--c.wav": ("B", "ben%20x--c.wav"),
    }
    assert labels(tmp_path, corpus, "\ufeffanna/a.wav A\r\n") == {"anna--a.wav": ("A", "anna--a.wav")}
    assert labels(tmp_path, corpus, "ben x/c.wav\tB\tmonday\n") == {"ben%20x--c.wav": ("B", "monday")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("anna/a.wav A\nanna/gone.wav A\n", r"labels:2: no audio file 'anna/gone\.wav'"),
        ("anna/a.wav A\nanna/b.wav\n", r"labels:2: expected 'path speaker \[session\]'"),
        ("ben x/c.wav B s t\n", r"labels:1: expected"),
        ("anna/a.wav A\nanna/a.wav B\n", r"labels:2: 'anna/a\.wav' has a label"),
        ("# nothing\n", r"labels: no label in it"),
        ("anna/a.wav\u00a0A\n", r"labels:1: expected 'path speaker"),
        ("anna/a.wav A\u2028anna/b.wav A\n", r"labels:1: U\+2028 in"),
        ("anna/a.wav A\n\u00a0\n", r"labels:2: expected 'path speaker"),
    ],
)
def test_mistakes_in_labels_are_named(tmp_path, corpus, text, words):
    with pytest.raises(RecipeError, match=words):
        labels(tmp_path, corpus, text)


def test_missing_labels_are_named(tmp_path, corpus):
    with pytest.raises(RecipeError, match="labels: no such label list"):
        read_labels(tmp_path / "labels", *corpus)


def test_a_held_out_folder_joins_the_corpus(tmp_path, corpus):
    touch(tmp_path / "held", "carl/1.wav", "carl/monday/2.wav", "dora/3.wav")
    found = corpus[1]
    held = evaluation_of(tmp_path / "held", found)
    assert {utt: speaker for utt, (speaker, _) in held.items()} == {
        "held-out--carl--1.wav": "carl",
        "held-out--carl--monday--2.wav": "carl",
        "held-out--dora--3.wav": "dora",
    }
    assert held["held-out--carl--monday--2.wav"][1] == "carl--monday"
    assert held.keys() <= found.files.keys()
    # A folder below the corpus adds nothing: its files are known already.
    inside = evaluation_of(corpus[0], find_audio(corpus[0]))
    assert list(inside) == ["anna--a.wav", "anna--b.wav", "ben%20x--c.wav"]


def test_a_held_out_folder_without_audio_is_named(tmp_path, corpus):
    (tmp_path / "empty").mkdir()
    for name in ("gone", "empty"):
        with pytest.raises(RecipeError, match=rf"{name}: no .*--held-out"):
            evaluation_of(tmp_path / name, corpus[1])


def test_channels_of_files_become_ids(tmp_path):
    for name, channels in (("mono", 1), ("stereo", 2)):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros((100, channels), np.int16), 16000)
    touch(tmp_path, "broken.wav")
    found = find_audio(tmp_path)
    assert [count_channels(path) for path in found.files.values()] == [1, 1, 2]
    origin, channels = found.split_channels(found.files)
    assert origin == {
        **{"broken.wav": "broken.wav", "mono.wav": "mono.wav"},
        **{"stereo.wav-ch1": "stereo.wav", "stereo.wav-ch2": "stereo.wav"},
    }
    assert channels == {"stereo.wav-ch1": 0, "stereo.wav-ch2": 1}
