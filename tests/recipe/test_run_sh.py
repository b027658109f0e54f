"""run.sh as a user types it: options, their mistakes, and the whole chain on a small corpus in a copy of the tree."""

import json
import re
import shutil
import sys

import pytest

import dlglc
from support.chain import command, run

ONE_EPOCH = "epochs: 1\naverage_epochs: 1\ncrop_seconds: 2.0\ngate:\n  from_epoch: 1\n"
ROUND = ["--corpus-dir", "small", "--rounds", "1", "--nj", "2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stag", "3"], r"unknown option --stag\. Valid are: --stage\n"),
        (["--stage", "three"], r"--stage takes a whole number, not 'three'"),
        (["--stage", "5", "--stop-stage", "4"], r"--stage 5 comes after --stop-stage 4"),
        (["--corpus", "librispeech"], r"--corpus is one of folder mini speechocean762"),
        (["--exp", "/tmp/x"], r"must be under exp/"),
        (["--initial", "best"], r"dino, previous or a system"),
        (["--dry-run", "yes"], r"true or false"),
        (["--rounds"], r"has no value"),
    ],
)
def test_mistakes_on_the_command_line(root, words, message):
    done = run(root, *words, check=False)
    assert done.returncode == 1
    assert re.search(message, done.stderr, re.DOTALL), done.stderr


def test_help_lists_every_option(root):
    text = run(root, "--help").stdout
    block = (root / "run.sh").read_text().split("# begin options")[1].split("# end options")[0]
    names = re.findall(r"^(\w+)=", block, re.MULTILINE)
    assert len(names) > 10
    for name in names:
        assert f"--{name.replace('_', '-')} " in text


def test_dry_run_prints_the_chosen_stages_and_touches_nothing(root):
    done = run(root, "--stage", "3", "--stop-stage", "6", "--dry-run", "true", "--exp", "exp/dry", "--rounds", "2")
    assert [int(n) for n in re.findall(r"stage (\d): [^\n]*done in", done.stdout)] == [3, 4, 5, 6]
    for script in ("train_dino", "extract_embeddings", "cluster", "train_dlglc", "train_plda", "score_trials"):
        assert f"steps/{script}.py" in done.stdout
    assert not (root / "exp/dry").exists()


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished tree, for a test that goes on in it."""
    return shutil.copytree(finished.tree, tmp_path / "tree", symlinks=True)


def test_the_chain_runs_from_data_to_report(finished):
    tree = finished.tree
    records = json.loads((tree / "exp/mini/results.json").read_text())
    found = {(r["system"], r["backend"]) for r in records}
    systems = ("untrained", "dino", "round1")
    backends = [b + half for b in ("cosine", "asnorm", "plda") for half in ("", "_half")]
    assert found == {("mfcc", b) for b in backends[:2]} | {(s, b) for s in systems for b in backends}
    for record in records:
        assert {"trials", "eer", "mindcf_0.01", "mindcf_0.05", "nmi", "seed"} <= record.keys()
        assert 0 <= record["eer"] <= 100
    assert "EER %" in finished.said
    text = (tree / "exp/mini/RESULTS.md").read_text()
    assert "## round1" in text
    assert "kept right" in text
    trials = [line.split()[:2] for line in (tree / "data/mini/eval/trials").read_text().splitlines()]
    scores = [line.split()[:2] for line in (tree / "exp/mini/round1/scores/plda").read_text().splitlines()]
    assert scores == trials


def test_the_last_system_comes_as_a_bundle(finished):
    path = finished.tree / "exp/mini/round1/bundle.dlglc"
    assert "for use with dlg-lc: exp/mini/round1/bundle.dlglc" in finished.said
    model = dlglc.load(path)
    assert (model.card["name"], model.decision.source) == ("mini-round1", "labels")
    assert model.card["results"]["speakers"] == 4
    assert not list(finished.tree.glob("exp/mini/dino/bundle*"))


def test_every_stage_says_its_number_title_and_time(finished):
    for stage in range(1, 8):
        assert re.search(rf"stage {stage}: [a-zA-Z ]+: done in \d+ s", finished.said)


def test_training_directories_explain_themselves(finished):
    for name in ("untrained", "dino", "round1"):
        for file in ("config.yaml", "command", "stamp.json", "model.pt", "log/train.log"):
            assert (finished.tree / "exp/mini" / name / file).exists()


def test_a_second_run_reuses_trainings_and_gives_the_same_results(finished):
    assert finished.trained_again == set()
    assert finished.clusters_again == finished.clusters
    assert "Done in" in finished.said_again


def test_no_label_and_no_trial_reaches_a_model(copied):
    """With every true speaker and every trial's answer changed, models, clusters and scores keep their bits."""
    for name in ("train/utt2spk.truth", "eval/utt2spk.truth", "eval/trials"):
        file = copied / "data/mini" / name
        rows = [line.split() for line in file.read_text().splitlines()]
        last = [row[-1] for row in rows]
        file.write_text("".join(" ".join([*row[:-1], word]) + "\n" for row, word in zip(rows, last[7:] + last[:7])))
    run(copied, "--stage", "3", "--stop-stage", "6", *ROUND, "--exp", "exp/blind")
    for name in ("dino/model.pt", "dino/clusters/utt2cluster", "round1/model.pt", "round1/clusters/utt2cluster"):
        assert (copied / "exp/mini" / name).read_bytes() == (copied / "exp/blind" / name).read_bytes(), name
    for name in ("scores/cosine", "scores/asnorm", "scores/plda"):
        assert (copied / "exp/mini/round1" / name).read_text() == (copied / "exp/blind/round1" / name).read_text(), name
    quality = "round1/clusters/quality.json"
    assert (copied / "exp/mini" / quality).read_text() != (copied / "exp/blind" / quality).read_text()


def test_ablation_goes_on_where_it_stopped_and_reports(copied):
    ablate = ["local/experiments/ablate.sh", "--corpus", "mini", "--corpus-dir", "small", "--rounds", "1"]
    exp = copied / "exp/mini-ablation"
    shutil.copytree(copied / "exp/mini", exp / "seed0")  # what the recipe has trained, the ablation need not train
    command(copied, *ablate, "--seeds", "0", "--variants", "soft")
    assert "dino: finished" in (exp / "seed0.log").read_text() or "reused" in (exp / "seed0.log").read_text()
    first = (exp / "seed0/truth1/model.pt").stat().st_mtime_ns
    command(copied, *ablate, "--seeds", "0 1", "--variants", "lgl")
    assert (exp / "seed0/truth1/model.pt").stat().st_mtime_ns == first
    report = (exp / "RESULTS.md").read_text()
    for part in (
        "| soft1 |",
        "| truth1 |",
        "| dino |",
        "## Difference to lgl, round by round",
        "| soft1 | PLDA | ",
        "eer.svg",
        " ± ",
    ):
        assert part in report
    assert (exp / "eer.svg").read_text().count("<path") > 10
    unknown = command(copied, *ablate, "--variants", "best", check=False)
    assert unknown.returncode == 1
    assert "'best'" in unknown.stderr


def test_the_reference_curve_has_an_error_rate_for_each_epoch(copied):
    command(copied, "local/experiments/dino_curve.sh", "--runs", "collapses")
    rows = re.findall(r"^\| ([12]) \| ([0-9.]+) \|", (copied / "exp/mini-curve/dino.md").read_text(), re.MULTILINE)
    assert [epoch for epoch, _ in rows] == ["1", "2"]
    assert all(0 < float(eer) < 60 for _, eer in rows)
    assert (copied / "exp/mini-curve/dino.svg").read_text().count("<path") > 10


def test_a_further_round_starts_from_any_system(copied):
    """Large-margin fine-tuning as conf/voxceleb/lmft does it, of the round before and on its clusters."""
    folder = copied / "lmft"
    folder.mkdir()
    (folder / "dlglc.yaml").write_text("base: ../conf/voxceleb/lmft/dlglc.yaml\n" + ONE_EPOCH)
    words = ["--stage", "5", "--stop-stage", "5", "--rounds", "1", "--variant", "lmft", "--initial", "round1"]
    run(copied, *words, "--conf", "lmft", "--nj", "2")
    inputs = (copied / "exp/mini/lmft1/stamp.json").read_text()
    assert "exp/mini/round1/model.pt" in inputs
    assert "exp/mini/round1/clusters/utt2cluster" in inputs
    assert (copied / "exp/mini/lmft1/clusters/utt2cluster").exists()


def test_changed_settings_stop_before_they_mix(copied):
    done = run(copied, "--stage", "3", "--stop-stage", "3", "--seed", "5", check=False)
    assert done.returncode != 0
    assert "seed: 0, now 5" in done.stderr
    assert "--overwrite" in done.stderr
    assert "stage 3" in done.stderr


def test_a_stage_without_its_input_says_which_stage_makes_it(copied):
    done = run(copied, "--stage", "5", "--stop-stage", "5", "--exp", "exp/empty", check=False)
    assert done.returncode != 0
    assert "exp/empty/dino" in done.stderr


def test_the_environment_is_made_from_the_requirements(root):
    """Every package a stage imports is pinned, so that a fresh machine gets what this one has."""
    pinned = {
        re.split(r"==", line)[0].lower()
        for line in (root / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    known = {"yaml": "pyyaml", "sklearn": "scikit-learn", "espeakng_loader": "espeakng-loader"}
    local = {p.stem for p in [*root.glob("local/*.py"), *root.glob("steps/*.py")]} | {"dlglc"}
    for path in [*root.glob("steps/**/*.py"), *root.glob("local/*.py")]:
        for name in re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE):
            if name not in sys.stdlib_module_names and name not in local:
                assert known.get(name, name) in pinned, f"{path} imports {name}"
