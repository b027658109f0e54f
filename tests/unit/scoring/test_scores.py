"""Score files: written in the order of the trials, read in any order, and mistakes by file and line."""

import numpy as np
import pytest

from dlglc.errors import RecipeError
from dlglc.scoring.scores import read_pairs, read_scores, write_scores

ENROL, TEST = ["a", "b", "a"], ["x", "x", "y"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scores"


def read(path, enrol=ENROL, test=TEST):
    return read_scores(path, enrol, test, path.with_name("trials")).tolist()


def test_there_and_back(path):
    scores = np.array([0.5, -1.25, 1e-7], dtype=np.float32)
    write_scores(path, ENROL, TEST, scores)
    assert path.read_text() == "a x 0.500000\nb x -1.250000\na y 0.000000\n"
    assert read(path) == [0.5, -1.25, 0.0]
    assert read_pairs(path) == (ENROL, TEST)


def test_scores_of_another_order_and_of_further_trials_are_looked_up(path):
    path.write_text("b x 2\na y 3\nz z 9\na x 1e-3\n")
    assert read(path) == [0.001, 2.0, 3.0]
    assert read(path, ["a", "a"], ["x", "x"]) == [0.001, 0.001]  # a trial may come twice


def test_the_same_pair_may_stand_twice_with_the_same_score(path):
    path.write_text("a x 1\nb x 2\na y 3\nb x 2.0\n")
    assert read(path) == [1, 2, 3]


def test_blanks_and_infinities_are_read(path):
    path.write_text("a\tx  inf\nb x -inf \na y 3\n")
    assert read(path) == [np.inf, -np.inf, 3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a x 1\nb x\na y 3\n", r"scores:2: expected 'enrol test score', found 'b x'"),
        ("a x 1\nb x two\na y 3\n", r"scores:2: expected 'enrol test score', found 'b x two'"),
        ("a x 1\n\na y 3\n", r"scores:2: expected 'enrol test score', found ''"),
        ("a x 1\nb x 2\nb x 3\n", r"scores:3: b x has another score"),
        ("a x 1\nb x 2\n", r"trials:3: no score for a y in .*scores"),
        ("", r"trials:1: no score for a x"),
    ],
)
def test_mistakes_are_named(path, text, words):
    path.write_text(text)
    with pytest.raises(RecipeError, match=words):
        read(path)


def test_a_missing_file_is_named(path):
    for reader in (read, read_pairs):
        with pytest.raises(RecipeError, match=r"scores: no such score file: run steps/score_trials\.py"):
            reader(path)


@pytest.mark.parametrize(("text", "line"), [("a x 1\nb x\n", 2), ("a x 1 2\n", 1), ("", 1)])
def test_pairs_of_another_form_are_named(path, text, line):
    path.write_text(text)
    with pytest.raises(RecipeError, match=rf"scores:{line}: expected 'enrol test score'"):
        read_pairs(path)
