"""Tables of what packing left: utterances inherit from their recording, trials of lost utterances go."""

import pytest

from dlglc.data.finishing import finish_tables, finish_trials, write_original
from dlglc.data.tables import read_table, speaker_utterances, write_table
from dlglc.errors import RecipeError


@pytest.fixture
def folders(tmp_path):
    """A data directory of three recordings; b was cut into two utterances, c cannot be used."""
    local, out = tmp_path / "local", tmp_path / "out"
    write_table(local / "wav.scp", {name: f"/corpus/{name}.mp3" for name in "abc"})
    write_table(local / "utt2spk", {name: name for name in "abc"})
    write_table(out / "utt2reco", {"a": "a", "b-1": "b", "b-2": "b"})
    write_table(out / "wav.scp", {"a": "x.ark:2", "b-1": "x.ark:9", "b-2": "x.ark:50"})
    write_table(out / "utt2segment", {"b-1": "b 0.000 3.000", "b-2": "b 4.000 7.500"})
    return local, out


def test_unlabelled_utterances_are_their_own_speakers(folders):
    local, out = folders
    finish_tables(local, out)
    own = {utt: utt for utt in ("a", "b-1", "b-2")}
    assert read_table(out / "utt2spk") == read_table(out / "spk2utt") == own
    assert read_table(out / "utt2sess") == {"a": "a", "b-1": "b", "b-2": "b"}  # a cut recording is a session
    assert not (out / "utt2spk.truth").exists()


def test_utterances_take_over_what_is_known_of_the_recording(folders):
    local, out = folders
    write_table(local / "utt2spk", {"a": "a", "b": "ben", "c": "c"})
    write_table(local / "utt2spk.truth", {"a": "anna", "b": "ben"})
    write_table(local / "utt2sess", {"a": "monday", "b": "friday", "c": "friday"})
    finish_tables(local, out)
    assert read_table(out / "utt2spk") == {"a": "a", "b-1": "ben", "b-2": "ben"}
    assert read_table(out / "spk2utt") == {"a": "a", "ben": "b-1 b-2"}
    assert read_table(out / "utt2spk.truth") == {"a": "anna", "b-1": "ben", "b-2": "ben"}
    assert read_table(out / "utt2sess") == {"a": "monday", "b-1": "friday", "b-2": "friday"}


def test_tables_of_an_earlier_run_do_not_stay(folders):
    local, out = folders
    write_table(out / "utt2spk.truth", {"a": "stale"})
    finish_tables(local, out)
    assert not (out / "utt2spk.truth").exists()


def test_trials_of_lost_utterances_go(folders, caplog):
    local, out = folders
    (local / "trials").write_text("a b-1 target\na c nontarget\na b-2 nontarget\n")
    (local / "trials_voxceleb").write_text("1 a b-1\n0 a b-2\n")
    with caplog.at_level("INFO"):
        finish_trials(local, out)
    assert (out / "trials").read_text() == "a b-1 target\na b-2 nontarget\n"
    assert (out / "trials_voxceleb").read_text() == "1 a b-1\n0 a b-2\n"
    assert [record.getMessage() for record in caplog.records] == [f"{out}/trials: 2 of 3 trials are left"]


def test_a_list_of_one_kind_of_trial_has_no_error_rate(folders, caplog):
    local, out = folders
    (local / "trials").write_text("a b-1 target\na c nontarget\n")
    (out / "trials").write_text("of an earlier run\n")
    with caplog.at_level("INFO"):
        finish_trials(local, out)
    assert not (out / "trials").exists()
    assert "trials: left out" in caplog.text


def test_lists_of_sessions_that_are_no_longer_known_go_and_those_of_the_user_stay(folders):
    local, out = folders
    for name in ("trials_within", "trials_across", "trials_mine"):
        (out / name).write_text("a b-1 target\na b-2 nontarget\n")
    finish_trials(local, out)
    assert [path.name for path in out.glob("trials*")] == ["trials_mine"]


def test_a_recording_without_a_speaker_is_named(folders):
    local, out = folders
    write_table(local / "utt2spk", {"a": "a", "c": "c"})
    with pytest.raises(RecipeError, match=r"utt2spk: no speaker of 'b'"):
        finish_tables(local, out)


def test_cut_utterances_are_segments_of_the_original_files(folders):
    local, out = folders
    write_original(local, out)
    assert read_table(out / "original/wav.scp") == {"b": "/corpus/b.mp3"}
    assert read_table(out / "original/segments") == {"b-1": "b 0.000 3.000", "b-2": "b 4.000 7.500"}
    assert read_table(out / "original/utt2spk") == {"b-1": "b-1", "b-2": "b-2"}


def test_without_cut_recordings_there_are_no_segments(folders):
    local, out = folders
    write_original(local, out)
    (out / "utt2segment").write_text("")
    write_original(local, out)
    assert not (out / "original").exists()  # nor are there those of an earlier run


def test_groups_are_sorted():
    assert speaker_utterances({"u2": "b", "u1": "b", "u3": "a"}) == {"b": "u1 u2", "a": "u3"}
