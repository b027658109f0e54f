"""A folder as people have it: names of any letters, links, closed folders, label files of other machines."""

import os
import unicodedata
from urllib.parse import unquote

import pytest

from dlglc.data.columns import read_columns
from dlglc.data.folder import evaluation_of, find_audio, id_of, read_labels, speaker_of
from dlglc.data.tables import read_table, write_table
from dlglc.errors import RecipeError
from support.audio_files import unprivileged


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


NAMES = ["안녕 하세요.wav", "full\u3000width.wav", "no\u00a0break.wav", "👩\u200d🎤.wav", "x" * 240 + ".wav", "%41.wav"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_letters_come_through_the_tables(tmp_path, name):
    files = find_audio(touch(tmp_path / "corpus", name)).files
    write_table(tmp_path / "wav.scp", files)
    assert list(files.values()) == [str(tmp_path / "corpus" / name)]
    assert read_table(tmp_path / "wav.scp") == files
    ids, where = read_columns(tmp_path / "wav.scp")
    assert dict(zip(ids, where)) == files


STRANGE = ["new\nline.wav", "tab\there.wav", "line\u2028end.wav", os.fsdecode("안녕.wav".encode("cp949"))]


@pytest.mark.parametrize("name", STRANGE)
def test_names_that_no_table_can_hold_come_through_by_links(tmp_path, name):
    """Archives that were made on an old Windows give names that are no UTF-8."""
    found = find_audio(touch(tmp_path / "corpus", "fine.wav", name))
    assert list(found.files) == ["fine.wav"]
    for _ in range(2):  # the second time the link is there
        found.link_strange(tmp_path / "links")
    (utt,) = found.files.keys() - {"fine.wav"}
    assert os.readlink(found.files[utt]) == str(tmp_path / "corpus" / name)
    write_table(tmp_path / "wav.scp", found.files)
    assert read_table(tmp_path / "wav.scp") == found.files


PATHS = ["a-/b.wav", "a/-b.wav", "a---b.wav", "a/--b.wav", "a--/b.wav", "-/a.wav", "--a.wav", "a/-/b.wav", "a%2D/b.wav"]


def test_no_two_paths_have_one_id_and_ids_can_be_read_back():
    ids = [id_of(path) for path in PATHS]
    assert len(set(ids)) == len(ids)
    assert [unquote(utt.replace("--", "/")) for utt in ids] == PATHS


def test_an_id_does_not_depend_on_other_files(tmp_path):
    few = find_audio(touch(tmp_path / "few", "b/c d.wav"))
    many = find_audio(touch(tmp_path / "many", "a.wav", "b/c d.wav", "b/c.wav", "z/c d.wav"))
    assert few.files.keys() < many.files.keys()


def test_a_link_to_a_file_that_is_there_anyway_is_no_second_recording(tmp_path):
    touch(tmp_path, "corpus/x.wav", "elsewhere/y.wav")
    for name, target in (("again", "corpus/x"), ("other", "elsewhere/y"), ("another", "elsewhere/y"), ("gone", "no")):
        os.symlink(tmp_path / f"{target}.wav", tmp_path / f"corpus/{name}.wav")
    assert list(find_audio(tmp_path / "corpus").files) == ["another.wav", "gone.wav", "x.wav"]


def test_folders_that_look_like_audio_are_folders(tmp_path):
    assert list(find_audio(touch(tmp_path, "x.wav/y.wav", "z.wav")).files) == ["x.wav--y.wav", "z.wav"]


def test_a_folder_that_cannot_be_opened_is_known():
    with unprivileged() as folder:
        touch(folder, "a/x.wav", "closed/y.wav")
        (folder / "closed").chmod(0)
        found = find_audio(folder)
        (folder / "closed").chmod(0o700)
    assert list(found.files) == ["a--x.wav"]
    assert found.closed == [str(folder / "closed")]


def labels(tmp_path, corpus, text):
    (tmp_path / "labels").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(tmp_path / "labels", corpus, find_audio(corpus))


def test_labels_as_other_machines_write_them(tmp_path):
    """With a mark at the beginning, line ends of Windows, people with blanks in their names."""
    corpus = touch(tmp_path / "corpus", "anna/a.wav", "anna/b.wav")
    found = labels(tmp_path, corpus, "\ufeffanna/a.wav\tAnna Kim\tfirst day\r\nanna/b.wav\tAnna Kim\r\n")
    assert found == {"anna--a.wav": ("Anna%20Kim", "first%20day"), "anna--b.wav": ("Anna%20Kim", "anna--b.wav")}


@pytest.mark.parametrize("spellings", [("NFC", "NFD"), ("NFD", "NFC")])
def test_labels_in_the_other_spelling_of_hangul(tmp_path, spellings):
    """A Mac takes one for the names of files, and a keyboard gives the other."""
    of_file, of_label = (unicodedata.normalize(form, "안녕/하세요.wav") for form in spellings)
    corpus = touch(tmp_path / "corpus", of_file)
    assert list(labels(tmp_path, corpus, f"{of_label} kim\n")) == list(find_audio(corpus).files)


def test_labels_of_a_corpus_behind_a_link(tmp_path):
    corpus = touch(tmp_path / "corpus", "a.wav", "b.wav", "c d.wav")
    os.symlink(corpus, tmp_path / "link")
    text = f"{tmp_path}/link/a.wav A\n{corpus}/b.wav A\n./x/../c d.wav\tB\n"
    assert list(labels(tmp_path, tmp_path / "link", text)) == ["a.wav", "b.wav", "c%20d.wav"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("c d.wav B\n", r"labels:1: no audio file 'c' in .*a path with blanks needs tabs"),
        ("a.wav\t\tA\n", r"labels:1: expected"),
        ("a.wav 안녕\n".encode("cp949"), r"labels:1: not UTF-8 text: convert it"),
    ],
)
def test_mistakes_in_labels_are_named(tmp_path, text, words):
    with pytest.raises(RecipeError, match=words):
        labels(tmp_path, touch(tmp_path / "corpus", "a.wav", "c d.wav"), text)


def test_a_held_out_folder_inside_the_corpus_is_found_by_any_way(tmp_path):
    corpus = touch(tmp_path / "corpus", "train/x.wav", "test/anna/a.wav", "test/ben/b.wav")
    os.symlink(corpus / "test", tmp_path / "link")
    held = evaluation_of(tmp_path / "link", found := find_audio(corpus))
    assert {utt: speaker for utt, (speaker, _) in held.items()} == {
        "test--anna--a.wav": "anna",
        "test--ben--b.wav": "ben",
    }
    assert len(found.files) == 3


def test_a_held_out_file_in_no_folder_or_with_an_id_that_is_taken_is_named(tmp_path):
    found = find_audio(touch(tmp_path / "corpus", "held-out/carl/1.wav"))
    with pytest.raises(RecipeError, match=r"2\.wav: --held-out: this file is in no sub-folder"):
        evaluation_of(touch(tmp_path / "loose", "2.wav"), found)
    with pytest.raises(RecipeError, match="rename the folder held-out"):
        evaluation_of(touch(tmp_path / "held", "carl/1.wav"), found)
    with pytest.raises(RecipeError, match=r"2\.wav: --folders speaker: "):
        speaker_of("2.wav")
