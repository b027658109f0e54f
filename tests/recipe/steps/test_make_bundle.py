"""steps/make_bundle.py: a bundle of a system, and what it says of wrong input."""

import dlglc
from dlglc.bundles.container import read_bundle


def test_a_bundle_by_the_script(bundles, script, tmp_path):
    words = ["--data", bundles.data, "--note", "Read speech.", "--note", "Quiet rooms."]
    done = script("steps/make_bundle.py", *words, bundles.system, tmp_path / "a.dlglc")
    assert "asnorm, threshold by labels, id " in done.stdout
    model = dlglc.load(tmp_path / "a.dlglc")
    assert model.card["limits"][-2:] == ["Read speech.", "Quiet rooms."]
    assert model.card["version"] == dlglc.__version__
    ours, theirs = read_bundle(tmp_path / "a.dlglc").parts, read_bundle(bundles.labelled).parts
    assert {name for name in ours if ours[name] != theirs[name]} == {"card.json", "card.md"}
    again = script("steps/make_bundle.py", *words, bundles.system, tmp_path / "a.dlglc")
    assert "is finished: reused" in again.stdout


def test_another_back_end_and_cohort(bundles, script, tmp_path):
    words = ["--data", bundles.data, "--backend", "cosine", "--cohort", 3, "--set", "whiten=0.25"]
    script("steps/make_bundle.py", *words, bundles.system, tmp_path / "a.dlglc")
    model = dlglc.load(tmp_path / "a.dlglc")
    assert model.card["backend"]["backend"] == "cosine"
    assert model.scorer.made_of[1]["cohort"].shape == (3, 24)
    assert model.scorer.made_of[1]["white"].shape == (24, 24)


def test_a_missing_system_is_named(bundles, script, tmp_path):
    done = script("steps/make_bundle.py", "--data", bundles.data, tmp_path, tmp_path / "a.dlglc", check=False)
    assert done.returncode == 1
    assert "model.pt: no such" in done.stderr and "Traceback" not in done.stderr
