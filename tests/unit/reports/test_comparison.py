"""Comparisons over seeds: what is paired with what, means and intervals written out, speakers that are resampled."""

import json

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from dlglc.extras.bootstrap import bootstrap, interval
from dlglc.reports.comparison import (
    Evaluation,
    comparison_rows,
    conditions_section,
    differences,
    gate_cell,
    mean_and_deviation,
    overview,
    read_experiments,
    student_interval,
)
from dlglc.reports.conditions import ACROSS, WITHIN, TrialList
from dlglc.scoring.metrics import roc

SYSTEMS = ["untrained", "dino", "a1", "a2", "b1", "b2"]
EERS = {"a1": [8.0, 9.0, 7.0], "a2": [6.0, 8.0, 7.0], "b1": [7.0, 8.5, 7.0], "b2": [5.0], "dino": [10.0, 9.5, 11.0]}


@pytest.fixture
def seeds(tmp_path):
    """An experiment directory per seed, as stage 6 leaves it; b2 is there for one seed only."""
    directories = [tmp_path / f"seed{seed}" for seed in range(3)]
    for system, eers in EERS.items():
        for directory, eer in zip(directories, eers):
            (directory / system / "scores").mkdir(parents=True)
            (directory / system / "scores/cosine.json").write_text(json.dumps({"eer": eer, "mindcf_0.05": eer / 10}))
    return directories


def test_a_system_is_compared_with_all_others():
    assert comparison_rows(SYSTEMS, "dino") == {s: [(s, "dino")] for s in SYSTEMS if s != "dino"}


def test_a_variant_is_compared_round_by_round():
    assert comparison_rows(SYSTEMS, "a") == {
        "b1": [("b1", "a1")],
        "b2": [("b2", "a2")],
        "b, mean of 2 rounds": [("b1", "a1"), ("b2", "a2")],
    }
    assert comparison_rows([*SYSTEMS, "c2"], "a")["c2"] == [("c2", "a2")]
    assert comparison_rows(SYSTEMS, "lgl") == {}


def cells(table):
    """{first cell: the others} of a Markdown table."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {row[0]: row[1:] for row in rows}


def test_differences_over_the_seeds_that_both_have(seeds):
    found = read_experiments(seeds)
    rows = cells(differences(found, comparison_rows(list(EERS), "a1"), None))
    assert rows.keys() == {"a2", "b1", "b2", "dino"}
    low, high = ttest_1samp([-2.0, -1.0, 0.0], 0).confidence_interval(0.95)
    assert rows["a2"] == ["cosine", "-1.00", "-12.5", f"{low:+.2f} … {high:+.2f}", "–", "–"]
    assert rows["b2"][:4] == ["cosine", "-3.00", "-37.5", "–"]


def test_the_mean_of_rounds_is_over_the_seeds_that_have_them_all(seeds):
    rows = cells(differences(read_experiments(seeds), comparison_rows(list(EERS), "a"), None))
    assert rows["b1"][1] == "-0.50"
    assert rows["b, mean of 2 rounds"][1:3] == ["-1.00", "-14.3"]  # seed 0: 6.0 against 7.0


def test_intervals_over_speakers_are_of_the_same_draws(tmp_path):
    """Two systems of two seeds on the same trials; the difference of means under each draw of speakers."""
    rng = np.random.default_rng(0)
    enrol, test = rng.integers(20, size=(2, 500))
    test[::2] = enrol[::2]
    target = enrol == test
    trials = [f"u{e:02d}a u{t:02d}b {'target' if same else 'nontarget'}" for e, t, same in zip(enrol, test, target)]
    (tmp_path / "trials").write_text("\n".join(trials) + "\n")
    names = sorted(f"u{s:02d}{side}" for s in range(20) for side in "ab")
    (tmp_path / "utt2spk").write_text("".join(f"{name} {name[:-1]}\n" for name in names))
    scores = {}
    for seed in range(2):
        for system, gap in (("dino", 1.0), ("round1", 1.5)):
            values = np.round(rng.normal(gap * target), 3)
            folder = tmp_path / f"seed{seed}/{system}/scores"
            folder.mkdir(parents=True)
            (folder / "cosine.json").write_text('{"eer": 20.0, "mindcf_0.05": 0.5}')
            lines = [f"{' '.join(line.split()[:2])} {value}" for line, value in zip(trials, values)]
            (folder / "cosine").write_text("\n".join(lines) + "\n")
            scores[seed, system] = roc(values, target)
    drawn = bootstrap(list(scores.values()), enrol, test, (), 1.0, 1.0, 50, 0)[:, :, 0]
    expected = (drawn[1] - drawn[0] + drawn[3] - drawn[2]) / 2
    evaluation = Evaluation(tmp_path / "trials", tmp_path / "utt2spk", 50)
    found = read_experiments([tmp_path / "seed0", tmp_path / "seed1"])
    row = cells(differences(found, {"round1": [("round1", "dino")]}, evaluation))["round1"]
    low, high = interval(expected)
    assert row[-2:] == [f"{low:+.2f} … {high:+.2f}", f"{np.mean(expected > 0):.3f}"]


def test_the_table_of_all_systems(seeds):
    gate = {"kept": 0.8, "kept_right": 0.9, "corrected": 0.1, "corrected_right_before": 0.2, "corrected_right": 0.7}
    (seeds[0] / "a1/gate_quality.jsonl").write_text(json.dumps(gate) + "\n")
    table = overview(read_experiments(seeds), list(EERS))
    row = cells(table)["a1"]
    assert row[0] == "8.00 ± 1.00"
    assert row[3] == "0.800 ± 0.100"
    assert row[-3:] == ["80 (90)", "10 (20 → 70)", "3"]
    assert cells(table)["b2"][0] == "5.00"
    assert cells(table)["dino"][-3:-1] == ["–", "–"]


def test_error_rates_by_what_the_trials_ask(seeds):
    lists = [TrialList("trials", ACROSS), TrialList("trials_within", WITHIN)]
    assert conditions_section(read_experiments(seeds), list(EERS), lists) == []  # one list is scored
    (seeds[1] / "a1/scores/cosine_within.json").write_text(json.dumps({"eer": 2.5, "mindcf_0.05": 0.1}))
    found = read_experiments(seeds)
    words, table = conditions_section(found, list(EERS), lists)
    assert "across sessions (trials)" in words and "Not measured: across books." in words
    assert cells(table)["a1"] == ["cosine", "8.00 ± 1.00", "2.50"]
    assert cells(table)["b2"] == ["cosine", "5.00", "–"]
    assert cells(overview(found, list(EERS), "_within"))["a1"][0] == "2.50"
    assert list(cells(overview(found, list(EERS), "_within"))) == ["a1"]


def test_means_leave_out_what_is_missing():
    assert mean_and_deviation([1.0, None, 2.0], 1) == "1.5 ± 0.7"
    assert mean_and_deviation([1.0], 2) == "1.00"
    assert mean_and_deviation([None], 2) == "–"


def test_a_gate_that_corrects_nothing_has_no_cell():
    nothing = {"corrected": 0.0, "corrected_right": None}
    assert gate_cell([nothing], "corrected", ["corrected_right"]) == "–"
    some = {"corrected": 0.2, "corrected_right": 0.5}
    assert gate_cell([nothing, some], "corrected", ["corrected_right"]) == "10 (50)"


def test_an_interval_needs_two_values():
    assert student_interval(np.array([1.0])) is None
    assert student_interval(np.array([1.0, 1.0])) == [1.0, 1.0]
