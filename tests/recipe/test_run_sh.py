"""run.sh as a user types it: options, their mistakes, and the whole chain on a small corpus in a copy of the tree."""

import json
import os
import re
import subprocess
import sys

import pytest

from recipe import run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stag", "3"], r"unknown option --stag; did you mean --stage.*--stop-stage"),
        (["--stage", "three"], r"--stage takes a whole number, not 'three'"),
        (["--stage", "5", "--stop-stage", "4"], r"--stage 5 comes after --stop-stage 4"),
        (["--corpus", "librispeech"], r"--corpus is one of mini speechocean762"),
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


def test_the_chain_runs_from_data_to_report(tree, finished):
    records = json.loads((tree / "exp/mini/results.json").read_text())
    found = {(r["system"], r["backend"]) for r in records}
    systems = ("untrained", "dino", "round1")
    backends = [b + half for b in ("cosine", "asnorm", "plda") for half in ("", "_half")]
    assert found == {("mfcc", b) for b in backends[:2]} | {(s, b) for s in systems for b in backends}
    for record in records:
        assert {"trials", "eer", "mindcf_0.01", "mindcf_0.05", "nmi", "seed"} <= record.keys()
        assert 0 <= record["eer"] <= 100
    assert "EER %" in finished
    text = (tree / "exp/mini/RESULTS.md").read_text()
    assert "## round1" in text
    assert "kept right" in text
    trials = [line.split()[:2] for line in (tree / "data/mini/eval/trials").read_text().splitlines()]
    scores = [line.split()[:2] for line in (tree / "exp/mini/round1/scores/plda").read_text().splitlines()]
    assert scores == trials


def test_every_stage_says_its_number_title_and_time(finished):
    for stage in range(1, 8):
        assert re.search(rf"stage {stage}: [a-zA-Z ]+: done in \d+ s", finished)


def test_training_directories_explain_themselves(tree, finished):
    for name in ("untrained", "dino", "round1"):
        for file in ("config.yaml", "command", "stamp.json", "model.pt", "log/train.log"):
            assert (tree / "exp/mini" / name / file).exists()


def test_a_second_run_reuses_trainings_and_gives_the_same_results(tree, finished, environment):
    clusters = (tree / "exp/mini/round1/clusters/utt2cluster").read_text()
    times = {p: p.stat().st_mtime_ns for p in tree.glob("exp/mini/*/model.pt")}
    words = ["--stop-stage", "5", "--corpus-dir", "small", "--rounds", "1", "--nj", "2"]
    done = run(tree, "--stage", "1", *words, env=environment)
    assert {p: p.stat().st_mtime_ns for p in tree.glob("exp/mini/*/model.pt")} == times
    assert (tree / "exp/mini/round1/clusters/utt2cluster").read_text() == clusters
    assert "Done in" in done.stdout


def test_no_label_and_no_trial_reaches_a_model(tree, finished, environment):
    """With every true speaker and every trial's answer changed, models, clusters and scores keep their bits."""
    files = [
        tree / "data/mini/train/utt2spk.truth",
        tree / "data/mini/eval/utt2spk.truth",
        tree / "data/mini/eval/trials",
    ]
    before = [file.read_text() for file in files]
    try:
        for file, text in zip(files, before):
            rows = [line.split() for line in text.splitlines()]
            last = [row[-1] for row in rows]
            file.write_text("".join(" ".join([*row[:-1], word]) + "\n" for row, word in zip(rows, last[7:] + last[:7])))
        words = ["--corpus-dir", "small", "--rounds", "1", "--nj", "2", "--exp", "exp/blind"]
        run(tree, "--stage", "3", "--stop-stage", "6", *words, env=environment)
    finally:
        for file, text in zip(files, before):
            file.write_text(text)
    for name in ("dino/model.pt", "dino/clusters/utt2cluster", "round1/model.pt", "round1/clusters/utt2cluster"):
        assert (tree / "exp/mini" / name).read_bytes() == (tree / "exp/blind" / name).read_bytes(), name
    for name in ("scores/cosine", "scores/asnorm", "scores/plda"):
        assert (tree / "exp/mini/round1" / name).read_text() == (tree / "exp/blind/round1" / name).read_text(), name
    quality = "round1/clusters/quality.json"
    assert (tree / "exp/mini" / quality).read_text() != (tree / "exp/blind" / quality).read_text()


def test_ablation_goes_on_where_it_stopped_and_reports(tree, finished, environment):
    command = ["bash", "utils/ablate.sh", "--corpus", "mini", "--corpus-dir", "small", "--rounds", "1"]
    options = {"cwd": tree, "env": {**os.environ, **environment}, "capture_output": True, "text": True, "timeout": 500}
    subprocess.run([*command, "--seeds", "1", "--variants", "soft"], check=True, **options)
    first = (tree / "exp/mini-ablation/seed1/truth1/model.pt").stat().st_mtime_ns
    done = subprocess.run([*command, "--seeds", "0 1", "--variants", "lgl"], check=False, **options)
    assert done.returncode == 0, done.stderr
    assert (tree / "exp/mini-ablation/seed1/truth1/model.pt").stat().st_mtime_ns == first
    report = (tree / "exp/mini-ablation/RESULTS.md").read_text()
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
    assert (tree / "exp/mini-ablation/eer.svg").read_text().count("<path") > 10
    unknown = subprocess.run([*command, "--variants", "best"], check=False, **options)
    assert unknown.returncode == 1
    assert "'best'" in unknown.stderr


def test_the_reference_curve_has_an_error_rate_for_each_epoch(tree, finished, environment):
    command = ["bash", "utils/dino_curve.sh", "--runs", "collapses"]
    done = subprocess.run(
        command, cwd=tree, env={**os.environ, **environment}, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^\| ([12]) \| ([0-9.]+) \|", (tree / "exp/mini-curve/dino.md").read_text(), re.MULTILINE)
    assert [epoch for epoch, _ in rows] == ["1", "2"]
    assert all(0 < float(eer) < 60 for _, eer in rows)
    assert (tree / "exp/mini-curve/dino.svg").read_text().count("<path") > 10


def test_a_further_round_starts_from_any_system(tree, finished, environment):
    """Large-margin fine-tuning as conf/voxceleb/lmft does it, of the round before and on its clusters."""
    folder = tree / "lmft"
    folder.mkdir()
    (folder / "dlglc.yaml").write_text("base: ../conf/voxceleb/lmft/dlglc.yaml\nepochs: 1\ncrop_seconds: 2.0\n")
    words = ["--stage", "5", "--stop-stage", "5", "--rounds", "1", "--variant", "lmft", "--initial", "round1"]
    run(tree, *words, "--conf", "lmft", "--nj", "2", env=environment)
    inputs = (tree / "exp/mini/lmft1/stamp.json").read_text()
    assert "exp/mini/round1/model.pt" in inputs
    assert "exp/mini/round1/clusters/utt2cluster" in inputs
    assert (tree / "exp/mini/lmft1/clusters/utt2cluster").exists()


def test_changed_settings_stop_before_they_mix(tree, finished, environment):
    done = run(tree, "--stage", "3", "--stop-stage", "3", "--seed", "5", check=False, env=environment)
    assert done.returncode != 0
    assert "settings.seed: 0 → 5" in done.stderr
    assert "--overwrite" in done.stderr
    assert "stage 3" in done.stderr


def test_a_stage_without_its_input_says_which_stage_makes_it(tree, finished, environment):
    done = run(tree, "--stage", "5", "--stop-stage", "5", "--exp", "exp/empty", check=False, env=environment)
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
    local = {p.stem for p in [*root.glob("local/*.py"), *root.glob("steps/*.py")]} | {"libs"}
    for path in [*root.glob("steps/**/*.py"), *root.glob("local/*.py")]:
        for name in re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE):
            if name not in sys.stdlib_module_names and name not in local:
                assert known.get(name, name) in pinned, f"{path} imports {name}"
