"""The metrics command: its options, and joining scores to trials."""

import json

import numpy as np
import pytest

from dlglc.errors import RecipeError
from dlglc.scoring.scores import read_scores

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


@pytest.fixture
def speakers(tmp_path):
    """Two systems on the trials of 20 speakers, and who speaks."""
    rng = np.random.default_rng(0)
    utts = [f"s{s:02d}-u{u}" for s in range(20) for u in range(4)]
    pairs = [(a, b) for a in utts for b in utts if a < b and (a[:3] == b[:3] or rng.random() < 0.1)]
    same = np.array([a[:3] == b[:3] for a, b in pairs])
    good = 2 * same + rng.normal(size=len(pairs))
    for name, scores in (("good", good), ("bad", good - 0.6 * same)):
        (tmp_path / name).write_text("".join(f"{a} {b} {s:.6f}\n" for (a, b), s in zip(pairs, scores)))
    (tmp_path / "trials").write_text("".join(f"{a} {b} {'non' * (not y)}target\n" for (a, b), y in zip(pairs, same)))
    (tmp_path / "utt2spk.truth").write_text("".join(f"{utt} {utt[:3]}\n" for utt in utts))
    return tmp_path


def test_intervals_and_difference(speakers, script):
    options = ["--utt2spk", speakers / "utt2spk.truth", "--against", speakers / "bad", "--draws", 200]
    done = script("steps/compute_metrics.py", *options, speakers / "good", speakers / "trials")
    found, again = json.loads(done.stdout), json.loads(
        script("steps/compute_metrics.py", *options, speakers / "good", speakers / "trials").stdout
    )  # fmt: skip
    assert found == again
    for name in ("eer", "mindcf_0.01", "mindcf_0.05"):
        assert found[f"{name}_ci"][0] <= found[name] <= found[f"{name}_ci"][1]
    other = json.loads(script("steps/compute_metrics.py", speakers / "bad", speakers / "trials").stdout)
    against = found["against"]
    assert against["eer_difference"] == pytest.approx(found["eer"] - other["eer"], abs=1e-4)
    assert against["eer_difference_ci"][1] < 0
    assert against["eer_share_above"] == 0


def test_det_table(files, script):
    script("steps/compute_metrics.py", "--det", files / "det", files / "scores", files / "trials")
    # scores -1 n, 0.25 t, 0.5 n, 2 t: the hull goes from accepting all over the two thresholds that err once
    np.testing.assert_allclose(np.loadtxt(files / "det"), [[0, 1, -1], [0, 0.5, 0.25], [0.5, 0, 2], [1, 0, np.inf]])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--against", "bad"], ["--against needs --utt2spk"]),
        (["--utt2spk", "short"], ["trials:1", "no speaker for 's00-u1'", "short"]),
        (["--utt2spk", "wrong"], ["trials:1", "target trial", "wrong says otherwise"]),
        (["--utt2spk", "utt2spk.truth", "--draws", 0], ["--draws 0"]),
    ],
)
def test_mistakes_of_intervals_are_named(speakers, script, options, words):
    truth = (speakers / "utt2spk.truth").read_text()
    (speakers / "short").write_text(truth.replace("s00-u1 s00\n", ""))
    (speakers / "wrong").write_text(truth.replace("s00-u1 s00\n", "s00-u1 s07\n"))
    options = [speakers / o if o in ("bad", "short", "wrong", "utt2spk.truth") else o for o in options]
    done = script("steps/compute_metrics.py", *options, speakers / "good", speakers / "trials", check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert all(word in done.stderr for word in words), done.stderr
