"""run.sh as a user types it: options, their mistakes, and the whole chain on a small corpus in a copy of the tree."""

import json
import re
import shutil
import sys

import pytest

from support.chain import command, run

ONE_EPOCH = "epochs: 1\naverage_epochs: 1\ncrop_seconds: 2.0\ngate:\n  from_epoch: 1\n"
ROUND = ["--corpus-dir", "small", "--rounds", "1", "--nj", "2"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stag", "3"], r"unknown option --stag\. Valid are: --stage\n"),
        (["--stage", "three"], r"--stage takes a whole number, not 'three'"),
        (["--stage", "5", "--stop-stage", "4"], r"--stage 5 comes after --stop-stage 4"),
        (["--corpus", "cnceleb"], r"--corpus is one of folder librispeech mini pool speechocean762"),
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


def test_stage_3_trains_what_stage1_says(root):
    words = ["--stage", "3", "--stop-stage", "6", "--rounds", "1", "--dry-run", "true", "--exp", "exp/dry"]
    both = run(root, *words, "--set", "dino.stage1=contrastive+dino").stdout
    assert re.search(r"train_contrastive\.py .*\n.*train_dino\.py .*-model exp/dry/contrastive/model\.pt", both)
    assert re.search(r"train_dlglc\.py .* exp/dry/dino/model\.pt exp/dry/round1\n", both)
    alone = run(root, *words, "--set", "dino.stage1=contrastive").stdout
    assert "exp/dry/dino" not in alone
    assert re.search(r"train_dlglc\.py .* exp/dry/contrastive/model\.pt exp/dry/round1\n", alone)
    assert "exp/dry/contrastive/scores/cosine.json" in alone


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


def test_a_contrastive_encoder_is_trained_scored_and_goes_into_rounds(copied):
    settings = ["dino.stage1=contrastive", "dino.contrastive.epochs=2", "dino.contrastive.seconds=0.5"]
    words = ["--exp", "exp/contrast", *(word for text in settings for word in ("--set", text))]
    run(copied, "--stage", "3", *ROUND, *words)
    records = json.loads((copied / "exp/contrast/results.json").read_text())
    assert {r["system"] for r in records} == {"mfcc", "untrained", "contrastive", "round1"}
    page = (copied / "exp/contrast/RESULTS.md").read_text()
    assert "| system | back-end | EER % across sessions |" in page
    assert "Not measured: within a session, across books." in page
    stamp = json.loads((copied / "exp/contrast/round1/stamp.json").read_text())
    assert "exp/contrast/contrastive/model.pt" in stamp["inputs"]
    status = run(copied, "--status", "true", *ROUND, *words).stdout
    assert re.search(r"stage 3 +pretraining +contrastive +done", status)


def test_trials_of_the_speakers_that_are_kept_for_the_end_wait(copied):
    trials = (copied / "data/mini/eval/trials").read_text()
    (copied / "data/mini/eval/trials_final").write_text(trials)
    words = ["--stage", "6", "--stop-stage", "6", *ROUND, "--systems", "dino"]
    run(copied, *words)
    scores = copied / "exp/mini/dino/scores"
    assert not (scores / "cosine_final.json").exists()
    run(copied, *words, "--final", "true")
    assert (scores / "cosine_final.json").read_text() == (scores / "cosine.json").read_text()


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
