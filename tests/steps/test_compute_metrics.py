"""The metrics command: its options, and joining scores to trials."""

import json

import numpy as np
import pytest
from compute_metrics import read_scores
from libs.cli import RecipeError

TRIALS = [("a", "x", 1), ("a", "y", 0), ("b", "x", 0), ("b", "y", 1)]
SCORES = [2.0, -1.0, 0.5, 0.25]


@pytest.fixture
def files(tmp_path):
    """Write a trial list and a score file in the same order."""
    (tmp_path / "trials").write_text("".join(f"{e} {t} {'non' * (1 - y)}target\n" for e, t, y in TRIALS))
    (tmp_path / "scores").write_text("".join(f"{e} {t} {s}\n" for (e, t, _), s in zip(TRIALS, SCORES)))
    return tmp_path


def test_all_options_in_one_object(files, script):
    options = ["--llr", "--p-target", 0.3, "--c-miss", 10]
    done = script("steps/compute_metrics.py", *options, files / "scores", files / "trials", files / "out.json")
    found = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert json.loads((files / "out.json").read_text()) == found
    for name in ("mindcf", "actdcf"):
        assert {f"{name}_0.01", f"{name}_0.05", f"{name}_0.3"} <= set(found)
    assert found["eer"] == 50
    assert found["eer_hull"] == 25
    assert {"cllr", "mincllr"} <= set(found)
    assert (found["num_target"], found["num_nontarget"]) == (2, 2)


def read(files, text):
    (files / "s").write_text(text)
    return read_scores(files / "s", ["a", "b"], ["x", "y"], files / "trials")


@pytest.mark.parametrize("text", ["a x 1\nb y 2.5\n", "b y 2.5\nc z 7\na x 1\n", "a x 1\na x 1\nb y 2.5\n"])
def test_scores_are_joined_by_position_or_by_pair(files, text):
    np.testing.assert_array_equal(read(files, text), [1, 2.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a x 1\n", "trials:2: no score for b y"),
        ("a x 1\nb y two\n", "s:2: expected 'enrol test score'"),
        ("a x 1\nb y\n", "s:2: expected 'enrol test score'"),
        ("a x 1\nb y 2\na x 3\n", "s:3: a x has another score"),
    ],
)
def test_mistakes_are_named(files, text, message):
    with pytest.raises(RecipeError, match=message):
        read(files, text)


def test_nan_and_one_class_are_named(files, script):
    (files / "nan").write_text((files / "scores").read_text().replace("0.5", "nan"))
    done = script("steps/compute_metrics.py", files / "nan", files / "trials", check=False)
    assert (done.returncode, "trial 3 has the score NaN" in done.stderr) == (1, True)
    (files / "ones").write_text((files / "trials").read_text().replace("nontarget", "target"))
    done = script("steps/compute_metrics.py", files / "scores", files / "ones", check=False)
    assert (done.returncode, "without a single nontarget" in done.stderr) == (1, True)
