"""Calibration by its commands: learned on a development list, applied to other trials."""

import json

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def write_set(top, seed, count):
    """Trials of two systems; the second is worse for short utterances, and is so by an offset."""
    top.mkdir()
    rng = np.random.default_rng(seed)
    target = rng.random(count) < 0.4
    seconds = np.exp(rng.normal(1, 0.8, (count, 2)))
    pairs = [f"e{seed}-{i:05d} t{seed}-{i:05d}" for i in range(count)]
    one = 0.1 * rng.normal(2 * target, 1) + 0.4
    two = rng.normal(1.5 * target, 1) * 4 - 20 - 3 * np.log(seconds.min(1))
    for name, scores in (("one", one), ("two", two)):
        (top / name).write_text("".join(f"{p} {s:.6f}\n" for p, s in zip(pairs, scores)))
    (top / "trials").write_text("".join(f"{p} {'non' * (not y)}target\n" for p, y in zip(pairs, target)))
    lines = [f"{utt} {s:.2f}\n" for p, both in zip(pairs, seconds) for utt, s in zip(p.split(), both)]
    (top / "utt2dur").write_text("".join(sorted(lines)))
    return top


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    top = tmp_path_factory.mktemp("calibration")
    return write_set(top / "dev", 0, 4000), write_set(top / "eval", 1, 4000)


def rates(script, scores, trials):
    return json.loads(script("steps/compute_metrics.py", "--llr", scores, trials).stdout)


def test_calibrated_fused_and_helped_by_durations(sets, script, tmp_path):
    dev, eval_ = sets
    found = {}
    for name, systems, quality in (("single", ["one"], []), ("fused", ["one", "two"], ["utt2dur"])):
        options = [["--quality", *(top / q for q in quality)] if quality else [] for top in sets]
        model = tmp_path / f"{name}.json"
        done = script("steps/train_calibration.py", dev / "trials", model, *(dev / s for s in systems), *options[0])
        assert "4000 training trials, calibrated" in done.stdout
        script("steps/calibrate_scores.py", model, tmp_path / name, *(eval_ / s for s in systems), *options[1])
        found[name] = rates(script, tmp_path / name, eval_ / "trials")
        assert found[name]["cllr"] < found[name]["mincllr"] + 0.03
    raw = rates(script, eval_ / "one", eval_ / "trials")
    assert found["single"]["eer"] == raw["eer"]
    assert found["single"]["cllr"] < raw["cllr"] - 0.1
    assert found["fused"]["cllr"] < found["single"]["cllr"] - 0.1
    model = json.loads((tmp_path / "fused.json").read_text())
    assert (model["scores"], model["quality"], len(model["weights"])) == (["one", "two"], ["utt2dur"], 4)
    first = [line.split() for line in (eval_ / "one").read_text().splitlines()]
    assert [line.split()[:2] for line in (tmp_path / "fused").read_text().splitlines()] == [w[:2] for w in first]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["steps/train_calibration.py", "dev/trials", "out", "eval/one"], ["dev/trials:1", "no score"]),
        (["steps/train_calibration.py", "dev/targets", "out", "dev/one"], ["without a single nontarget"]),
        (
            ["steps/train_calibration.py", "dev/trials", "out", "dev/one", "--set", "calibration_prior=1.5"],
            ["calibration_prior", "not 1.5"],
        ),
        (["steps/calibrate_scores.py", "model", "out", "eval/two"], ["trained on scores one", "given two"]),
        (["steps/calibrate_scores.py", "model", "out", "eval/one", "--quality", "eval/utt2dur"], ["--quality none"]),
        (["steps/calibrate_scores.py", "model", "out", "empty/one"], ["one:1", "enrol test score"]),
    ],
)
def test_mistakes_are_named(sets, script, tmp_path, arguments, words):
    top = sets[0].parent
    lines = (top / "dev/trials").read_text().splitlines(keepends=True)
    (top / "dev/targets").write_text("".join(line for line in lines if " target" in line))
    (top / "empty").mkdir(exist_ok=True)
    (top / "empty/one").write_text("")
    model = {"p_target": 0.05, "scores": ["one"], "quality": [], "weights": [1.0], "offset": 0.0}
    (top / "model").write_text(json.dumps(model))
    arguments = [top / a if a == "model" or a.startswith(("dev/", "eval/", "empty/")) else a for a in arguments]
    arguments = [tmp_path / "out" if a == "out" else a for a in arguments]
    done = script(*arguments, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "out").exists()
