"""run.sh as a user types it: options, their mistakes, and the whole chain on a small corpus in a copy of the tree."""

import ast
import json
import re
import shutil
import sys

import pytest

import dlglc
from dlglc.data.tables import read_table, write_table
from support.chain import command, run

ONE_EPOCH = "epochs: 1\naverage_epochs: 1\ncrop_seconds: 2.0\ngate:\n  from_epoch: 1\n"
ROUND = ["--corpus-dir", "small", "--rounds", "1", "--nj", "1"]
ABLATE = ["local/experiments/ablate.sh", "--corpus", "mini", "--corpus-dir", "small", "--rounds", "1", "--nj", "1"]


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
        (["--ngpu", "two"], r"--ngpu takes auto or a whole number, not 'two'"),
        (["--device", "gpu"], r"--device takes auto, cpu or cuda, not 'gpu'"),
        (["--device", "cuda", "--ngpu", "0"], r"--device cuda needs --ngpu"),
        (["--num-nodes", "2"], r"--num-nodes 2 needs --cmd"),
        (["--set", "dino.epochs=4", "dino.batch_size=8"], r"run\.sh: 'dino\.batch_size=8' belongs to no option"),
        (["3"], r"run\.sh: '3' belongs to no option"),
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
    assert found == {("mfcc", "cosine")} | {(s, b) for s in systems for b in ("cosine", "asnorm", "plda")}
    for record in records:
        assert {"trials", "eer", "mindcf_0.01", "mindcf_0.05", "nmi", "seed"} <= record.keys()
        assert 0 <= record["eer"] <= 100
    assert "EER %" in finished.said
    text = (tree / "exp/mini/RESULTS.md").read_text()
    assert "## round1" in text
    assert all(len(record["eer_ci"]) == 2 for record in records)
    assert "round1: losses that set the gate" in (tree / "exp/mini/report.html").read_text()
    assert list((tree / "exp/mini/round1/tensorboard").iterdir())
    assert "kept right" in text
    trials = [line.split()[:2] for line in (tree / "data/mini/eval/trials").read_text().splitlines()]
    scores = [line.split()[:2] for line in (tree / "exp/mini/round1/scores/plda").read_text().splitlines()]
    assert scores == trials


def test_the_last_system_comes_as_a_bundle(finished):
    path = finished.tree / "exp/mini/round1/bundle.dlglc"
    assert "The system to use with dlg-lc: exp/mini/round1/bundle.dlglc" in finished.said
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


@pytest.fixture(scope="session")
def ablation(finished, once):
    """The ablation in a tree where every true speaker is another: one variant of a seed, then another of two seeds.

    Its variant "soft" is what the recipe trains, so that one run shows both how the ablation goes on and that no label
    reaches a model.
    """

    def make(top):
        tree = shutil.copytree(finished.tree, top / "tree", symlinks=True)
        shutil.rmtree(tree / "exp")
        for part in ("train", "eval"):
            change_speakers(tree / "data/mini" / part)
        command(tree, *ABLATE, "--seeds", "0", "--variants", "soft")
        model = tree / "exp/mini-ablation/seed0/truth1/model.pt"
        before = model.stat().st_mtime_ns
        command(tree, *ABLATE, "--seeds", "0 1", "--variants", "lgl")
        (top / "kept").write_text(str(model.stat().st_mtime_ns == before))

    top = once("ablation", make)
    return top / "tree/exp/mini-ablation", (top / "kept").read_text() == "True"


def change_speakers(folder):
    """Give utterances the speakers of others, and trials the answers that follow."""
    truth = read_table(folder / "utt2spk.truth")
    speakers = list(truth.values())
    truth = dict(zip(truth, speakers[7:] + speakers[:7]))
    write_table(folder / "utt2spk.truth", truth)
    if (folder / "trials").exists():
        pairs = [line.split()[:2] for line in (folder / "trials").read_text().splitlines()]
        lines = [f"{a} {b} {'target' if truth[a] == truth[b] else 'nontarget'}\n" for a, b in pairs]
        assert len({line.split()[2] for line in lines}) == 2
        (folder / "trials").write_text("".join(lines))


def test_no_label_and_no_trial_reaches_a_model(finished, ablation):
    """With every true speaker and the trials' answers changed, models, clusters and scores keep their bits."""
    seeing, blind = finished.tree / "exp/mini", ablation[0] / "seed0"
    embeddings = ("train/parts/1/embedding.ark", "eval/parts/1/embedding.ark")
    for name in ("model.pt", *embeddings, "clusters/utt2cluster", "scores/cosine", "scores/asnorm", "scores/plda"):
        assert (seeing / "dino" / name).read_bytes() == (blind / "dino" / name).read_bytes(), name
        assert (seeing / "round1" / name).read_bytes() == (blind / "soft1" / name).read_bytes(), name
    quality = "clusters/quality.json"
    assert (seeing / "round1" / quality).read_text() != (blind / "soft1" / quality).read_text()


def test_ablation_goes_on_where_it_stopped_and_reports(ablation, root):
    exp, kept = ablation
    assert kept, "truth1 was trained again"
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
    unknown = command(root, *ABLATE, "--variants", "best", check=False)
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
    run(copied, *words, "--conf", "lmft", "--nj", "1")
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


def imports(path):
    """The packages that a module imports when it is itself imported."""
    names = []
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module.split(".")[0])
    return names


def test_the_environment_is_made_from_the_requirements(root):
    """Every package a stage imports is pinned, so that a fresh machine gets what this one has."""
    pinned = {
        re.split(r"==", line)[0].lower()
        for line in (root / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    known = {"yaml": "pyyaml", "sklearn": "scikit-learn", "espeakng_loader": "espeakng-loader"}
    known |= {"tensorboardX": "tensorboardx"}
    local = {p.stem for p in [*root.glob("local/*.py"), *root.glob("steps/*.py")]} | {"dlglc"}
    for path in [*root.glob("steps/**/*.py"), *root.glob("local/*.py")]:
        for name in imports(path):
            if name not in sys.stdlib_module_names and name not in local:
                assert known.get(name, name) in pinned, f"{path} imports {name}"
