"""What a trial list measures, by the sessions and books of its target trials."""

import pytest

from dlglc.reports.conditions import (
    ACROSS,
    BOOKS,
    MIXED,
    UNKNOWN,
    WITHIN,
    TrialList,
    condition_of,
    describe_conditions,
    trial_lists,
)

SESSIONS = {"a1": "s1", "a2": "s1", "b1": "s2", "c1": "s3", "x1": "t1"}
BOOK = {"s1": "p", "s2": "p", "s3": "q"}


@pytest.fixture
def write(tmp_path):
    """write(name, "a1 a2", …) → a list with these target trials and one nontarget trial."""
    (tmp_path / "utt2sess").write_text("".join(f"{utt} {session}\n" for utt, session in SESSIONS.items()))
    (tmp_path / "sess2book").write_text("".join(f"{session} {book}\n" for session, book in BOOK.items()))

    def make(name, *pairs):
        lines = [f"{pair} target" for pair in pairs] + ["a1 x1 nontarget"]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return make


@pytest.mark.parametrize(
    ("pairs", "condition"),
    [
        (["a1 a2"], WITHIN),
        (["a1 b1"], ACROSS),
        (["a1 b1", "a1 c1"], ACROSS),
        (["a1 c1", "b1 c1"], BOOKS),
        (["a1 a2", "a1 c1"], MIXED),
        (["a1 c1", "c1 x1"], ACROSS),  # of t1 no book is known
        (["a1 z9"], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_the_condition_of_a_list(write, pairs, condition):
    assert condition_of(write("trials", *pairs)) == condition


def test_without_sessions_nothing_is_known(write, tmp_path):
    path = write("trials", "a1 a2")
    (tmp_path / "utt2sess").unlink()
    assert condition_of(path) == UNKNOWN
    assert "nobody knows" in describe_conditions(trial_lists(tmp_path))


def test_lists_of_an_evaluation_set_in_words(write, tmp_path):
    write("trials_within", "a1 a2")
    write("trials_final_within", "a1 a2")
    write("trials", "a1 b1")
    lists = trial_lists(tmp_path)
    assert [(some.name, some.suffix, some.title) for some in lists] == [
        ("trials", "", "across sessions"),
        ("trials_final_within", "_final_within", "within a session (final)"),
        ("trials_within", "_within", "within a session"),
    ]
    said = describe_conditions(lists)
    assert said == (
        "Target trials: within a session (trials_within), across sessions (trials). Not measured: across books."
    )
    assert describe_conditions([]) == ""


def test_a_list_that_mixes_is_called_by_its_name():
    assert TrialList("trials_hard", MIXED).title == "hard"
    assert TrialList("trials", UNKNOWN).title == ""
