"""The tables of RESULTS.md, from what the stages leave in an experiment directory."""

import json

import pytest

from dlglc.provenance import Stamp
from dlglc.reports.conditions import ACROSS, MIXED, WITHIN, TrialList
from dlglc.reports.staleness import reasons
from dlglc.reports.tables import describe_data, kept_starts, left_out, results_table, training_section, trial_list
from dlglc.scoring.trials import stamp_of_scores
from dlglc.settings import load_settings, save_settings
from dlglc.settings.schema import DlglcSettings


@pytest.mark.parametrize(
    ("backend", "name"),
    [("cosine", "trials"), ("plda", "trials"), ("cosine_half", "trials_half"), ("plda_vox_hard", "trials_vox_hard")],
)
def test_the_list_of_a_score_file(tmp_path, backend, name):
    assert trial_list(tmp_path, backend) == f"{tmp_path}/eval/{name}"
    assert trial_list(None, backend) is None


def test_the_headline_table():
    record = {"system": "dino", "backend": "plda", "eer": 9.876, "mindcf_0.01": 0.5, "mindcf_0.05": 1.0}
    record |= {"nmi": 0.9, "purity": None, "epochs": 3, "train_seconds": 12.6}
    assert results_table([record]).splitlines()[2:] == [
        "| dino | plda | 9.88 | 0.500 | 1.000 | 0.900 | – | 3 | 13 |",
    ]


def test_lists_that_ask_of_sessions_are_columns():
    common = {"mindcf_0.01": 0.5, "mindcf_0.05": 1.0, "nmi": None, "purity": None, "epochs": 3, "train_seconds": 1.0}
    eers = {"cosine": 9.0, "cosine_within": 3.0, "cosine_hard": 20.0, "plda": 8.0}
    records = [{"system": "dino", "backend": backend, "eer": eer, **common} for backend, eer in eers.items()]
    lists = [TrialList("trials", ACROSS), TrialList("trials_hard", MIXED), TrialList("trials_within", WITHIN)]
    head, _, *rows = results_table(records, lists).splitlines()
    assert head.startswith("| system | back-end | EER % across sessions | EER % within a session | minDCF 0.01 |")
    assert [row.split(" | ")[1:4] for row in rows] == [
        ["cosine", "9.00", "3.00"],
        ["cosine_hard", "20.00", "–"],
        ["plda", "8.00", "–"],
    ]


@pytest.fixture
def trained(tmp_path):
    """A round as stage 5 leaves it, without gate_quality.jsonl."""
    lines = [
        {"epoch": 1, "lr": 0.1, "loss": 2.5, "gate": "off", "mixture_means": None, "data_wait": 0.1},
        {"epoch": 2, "lr": 0.1, "loss": 1.25, "gate": "crossing", "mixture_means": [1, 2], "data_wait": 0.1},
    ]
    (tmp_path / "round1").mkdir()
    (tmp_path / "round1/metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    save_settings(load_settings(DlglcSettings, None, ["scale=30.5"]), tmp_path / "round1/config.yaml")
    (tmp_path / "round1/command").write_text("steps/train_dlglc.py data\n# git abc · a machine\n")
    return tmp_path / "round1"


def test_the_section_of_a_trained_system(trained):
    head, table, configuration = training_section(trained)
    assert head == "## round1"
    assert table.splitlines()[0] == "| epoch | loss | gate |"
    assert table.splitlines()[-1] == "| 2 | 1.25 | crossing |"
    assert "scale: 30.5\n" in configuration
    assert "steps/train_dlglc.py data\n# git abc · a machine" in configuration


def test_a_round_has_the_precision_of_its_gate(trained):
    (trained / "gate_quality.jsonl").write_text('{"epoch": 1, "kept": 1.0, "kept_right": 0.75}\n')
    parts = training_section(trained)
    assert len(parts) == 5
    assert parts[3].splitlines()[-1] == "| 1 | 1 | 0.75 |"


def test_the_choice_of_an_epoch_is_said(trained):
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    for held_out, words in ((2.0, "The model is that of epoch 1: "), (4.0, "The model is the start, unchanged: ")):
        found = [line | {"held_out_start": 3.0, "held_out_eer": held_out} for line in lines]
        (trained / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in found))
        assert training_section(trained)[2].startswith(words)
        said = kept_starts(trained.parent)
        assert len(said) == (held_out > 3)
    assert said[0].startswith("**round1 changes nothing.** The model is the start, unchanged")


def test_a_system_that_was_not_trained_has_no_section(tmp_path):
    assert training_section(tmp_path) == []


def test_the_data_in_a_sentence(tmp_path):
    assert describe_data(None) == describe_data(tmp_path) == ""
    (tmp_path / "train").mkdir()
    (tmp_path / "eval").mkdir()
    (tmp_path / "train/utt2dur").write_text("a 1800.0\nb 3600.0\n")
    (tmp_path / "eval/trials").write_text("a b target\na c nontarget\n")
    (tmp_path / "eval/trials_hard").write_text("a b target\n")
    said = describe_data(tmp_path)
    assert "2 utterances (1.50 h)" in said
    assert "2 in trials, 1 in trials_hard" in said


def test_what_is_left_out_is_said_with_its_reason(tmp_path):
    assert left_out(tmp_path) == []
    scores = tmp_path / "exp/dino/scores"
    scores.mkdir(parents=True)
    (scores / "plda.json").write_text("{}")
    (tmp_path / "plda.npz").write_text("old")
    Stamp(stamp_of_scores(scores / "plda"), {}, [tmp_path / "plda.npz"]).write()
    assert left_out(tmp_path / "exp") == []
    reasons.cache_clear()
    (tmp_path / "plda.npz").write_text("new")
    title, lines = left_out(tmp_path / "exp")
    assert title.startswith("Left out, because ")
    assert lines == f"- dino plda: {tmp_path}/plda.npz has changed"
