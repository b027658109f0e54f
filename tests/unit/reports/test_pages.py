"""The pages of the reports: what stands in them, the records beside them, and experiments that cannot be shown."""

import json

import pytest

from dlglc.errors import RecipeError
from dlglc.provenance import Stamp
from dlglc.reports.pages import comparison_page, dino_page, experiment_page
from dlglc.reports.staleness import reasons
from dlglc.scoring.trials import stamp_of_scores
from dlglc.settings import load_settings, save_settings
from dlglc.settings.schema import DinoSettings

SCORES = {"eer": 5.0, "mindcf_0.01": 0.5, "mindcf_0.05": 0.25}


def write_scores(directory, eer, backend="cosine"):
    (directory / "scores").mkdir(parents=True, exist_ok=True)
    (directory / f"scores/{backend}.json").write_text(json.dumps({**SCORES, "eer": eer}))


@pytest.fixture
def exp_dir(tmp_path):
    """An experiment with an untrained encoder and a trained DINO."""
    exp_dir = tmp_path / "exp"
    for system, eer in (("dino", 10.0), ("untrained", 30.0)):
        write_scores(exp_dir / system, eer)
    write_scores(exp_dir / "dino", 9.0, "plda_hard")
    (exp_dir / "dino/metrics.jsonl").write_text('{"epoch": 1, "loss": 2.0, "seconds": 3.0}\n')
    (exp_dir / "dino/command").write_text("steps/train_dino.py\n")
    save_settings(load_settings(DinoSettings), exp_dir / "dino/config.yaml")
    return exp_dir


def test_the_page_of_an_experiment(exp_dir, tmp_path):
    table = experiment_page(exp_dir, tmp_path / "data")
    page = (exp_dir / "RESULTS.md").read_text()
    assert page.startswith(f"# Results of {exp_dir}\n\n")
    assert table in page
    assert "## dino\n" in page and "## untrained" not in page
    records = json.loads((exp_dir / "results.json").read_text())
    assert [(r["system"], r["backend"]) for r in records] == [
        *[("untrained", "cosine"), ("dino", "cosine"), ("dino", "plda_hard")]
    ]
    assert records[2]["trials"] == f"{tmp_path}/data/eval/trials_hard"


def test_a_page_whose_scores_are_all_stale_says_so(exp_dir, tmp_path):
    for path in exp_dir.glob("*/scores/*.json"):
        (tmp_path / "input").write_text("old")
        Stamp(stamp_of_scores(path.with_suffix("")), {}, [tmp_path / "input"]).write()
    (tmp_path / "input").write_text("new")
    reasons.cache_clear()
    experiment_page(exp_dir, None)
    page = (exp_dir / "RESULTS.md").read_text()
    assert page.count("input has changed") == 3
    assert "| dino |" not in page
    assert json.loads((exp_dir / "results.json").read_text()) == []
    assert "input has changed" in (exp_dir / "report.html").read_text()


def test_an_experiment_without_anything_is_named(tmp_path):
    with pytest.raises(RecipeError, match="run stage 6"):
        experiment_page(tmp_path, None)
    assert not (tmp_path / "RESULTS.md").exists()


@pytest.fixture
def seeds(tmp_path):
    for seed in range(2):
        for system, eer in (("dino", 10.0), ("round1", 8.0), ("round2", 7.0), ("lgl1", 9.0)):
            write_scores(tmp_path / f"seed{seed}" / system, eer + seed)
            stamp = json.dumps({"settings": {"seed": seed}, "inputs": {}})
            (tmp_path / f"seed{seed}" / system / "stamp.json").write_text(stamp)
    return [tmp_path / "seed0", tmp_path / "seed1"]


def test_the_page_of_a_comparison(seeds, tmp_path):
    out = tmp_path / "out"
    table = comparison_page(seeds, ["dino", "round"], None, out)
    page = (out / "RESULTS.md").read_text()
    assert table in page
    for words in ("2 seeds", "## Difference to dino\n", "## Difference to round, round by round\n", "![EER by round]"):
        assert words in page
    assert len(json.loads((out / "results.json").read_text())) == 8
    assert (out / "eer.svg").exists()


def test_an_unknown_reference_is_named_before_anything_is_written(seeds, tmp_path):
    with pytest.raises(RecipeError, match=r"--against lg: .*dino, "):
        comparison_page(seeds, ["dino", "lg"], None, tmp_path / "out")
    assert not (tmp_path / "out").exists()


FIGURES = {"cross_entropy": 5.0, "teacher_entropy": 2.0, "batch_entropy": 3.0, "embedding_std": 1.0}


def test_the_page_of_dino_runs(tmp_path):
    run = tmp_path / "run"
    for epoch in (1, 2):
        write_scores(run / f"epoch{epoch:02d}", 20.0 - epoch)
    (run / "dino").mkdir()
    lines = [json.dumps({"epoch": epoch, **FIGURES}) for epoch in (1, 2)]
    (run / "dino/metrics.jsonl").write_text("\n".join(lines) + "\n")
    save_settings(load_settings(DinoSettings, None, ["head.outputs=512"]), run / "dino/config.yaml")
    dino_page([run], tmp_path / "out")
    page = (tmp_path / "out/dino.md").read_text()
    assert "ln K = 6.24" in page
    assert "| 2 | 18 | 5 | 2 | 3 | 1 |" in page
    assert (tmp_path / "out/dino.svg").exists()
    (run / "epoch02/scores/cosine.json").unlink()
    with pytest.raises(RecipeError, match=r"epoch02/scores/cosine\.json: no such file"):
        dino_page([run], tmp_path / "out")
