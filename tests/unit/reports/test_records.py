"""The records of an experiment directory: order of systems and back-ends, and what is there of each."""

import json
import os
import re

import pytest

from dlglc.errors import RecipeError
from dlglc.provenance import Stamp
from dlglc.reports.records import (
    describe_origin,
    read_config,
    read_experiment,
    read_figures,
    read_json,
    read_lines,
    read_stamp,
    score_order,
    stale_scores,
    systems_of,
    variant_and_round,
)
from dlglc.reports.staleness import reasons
from dlglc.scoring.trials import stamp_of_scores


@pytest.fixture(autouse=True)
def fresh():
    """What was found of a file is kept while a report is made, not from one to the next."""
    reasons.cache_clear()


def write(path, *values):
    """A JSON file, or a .jsonl file of several lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def test_systems_and_back_ends_stand_in_the_order_of_the_recipe(tmp_path):
    for system in ("analysis", "zebra", "round10", "round2", "lgl1", "untrained", "dino", "mfcc"):
        for backend in ("plda", "cosine", "cosine_half", "asnorm", "other"):
            write(tmp_path / system / f"scores/{backend}.json", {"eer": 5.0})
    records = read_experiment(tmp_path)
    systems = list(dict.fromkeys(record["system"] for record in records))
    assert systems == ["mfcc", "untrained", "dino", "lgl1", "round2", "round10", "analysis", "zebra"]
    assert [r["backend"] for r in records[:5]] == ["cosine", "cosine_half", "asnorm", "plda", "other"]
    assert [directory.name for directory in systems_of(tmp_path)] == systems


def test_a_record_has_what_the_stages_left(tmp_path):
    directory = tmp_path / "round1"
    write(directory / "scores/cosine.json", {"eer": 4.5, "mindcf_0.05": 0.2})
    write(directory / "clusters/quality.json", {"nmi": 0.9, "purity": 0.8, "num_clusters": 7, "ari": 0.5})
    write(directory / "stamp.json", {"settings": {"seed": 3, "dlglc": {}}, "inputs": {}})
    write(directory / "metrics.jsonl", {"epoch": 1, "seconds": 10.04}, {"epoch": 2, "seconds": 5.0})
    write(directory / "gate_quality.jsonl", {"epoch": 1, "kept": 1.0}, {"epoch": 2, "kept": 0.7})
    assert read_experiment(tmp_path) == [
        {
            **{"system": "round1", "backend": "cosine", "eer": 4.5, "mindcf_0.05": 0.2},
            **{"nmi": 0.9, "purity": 0.8, "num_clusters": 7, "seed": 3, "epochs": 2, "train_seconds": 15.0},
            "gate": {"epoch": 2, "kept": 0.7},
        }
    ]


def test_what_a_system_lacks_is_none(tmp_path):
    write(tmp_path / "untrained/scores/cosine.json", {"eer": 30.0})
    write(tmp_path / "untrained/gate_quality.jsonl")
    (record,) = read_experiment(tmp_path)
    missing = ("nmi", "purity", "num_clusters", "seed", "gate")
    assert [record[key] for key in missing] == [None] * 5
    assert (record["epochs"], record["train_seconds"]) == (0, 0)


def test_an_experiment_without_scores_is_named(tmp_path):
    (tmp_path / "dino").mkdir()
    with pytest.raises(RecipeError, match=r"no <system>/scores here: run stage 6"):
        read_experiment(tmp_path)


@pytest.mark.parametrize(
    ("system", "parts"),
    [("lgl2", ("lgl", 2)), ("round10", ("round", 10)), ("dino", ("dino", 0)), ("a1b", ("a1b", 0)), ("7", ("7", 0))],
)
def test_a_system_is_a_variant_and_a_round(system, parts):
    assert variant_and_round(system) == parts


def test_scores_of_further_lists_follow_their_back_end(tmp_path):
    names = ["plda_hard", "asnorm", "cosine_half", "cosine", "plda", "fused"]
    ordered = sorted((tmp_path / f"{name}.json" for name in names), key=score_order)
    assert [path.stem for path in ordered] == ["cosine", "cosine_half", "asnorm", "plda", "plda_hard", "fused"]


def test_files_that_are_not_there_are_empty(tmp_path):
    assert read_json(tmp_path / "a.json") is None
    assert read_lines(tmp_path / "a.jsonl") == []
    write(tmp_path / "a.json", [1])
    write(tmp_path / "a.jsonl", {"a": 1}, {"a": 2, "b": [2]})
    assert read_json(tmp_path / "a.json") == [1]
    assert read_lines(tmp_path / "a.jsonl") == [{"a": 1}, {"a": 2, "b": [2]}]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([{"epoch": 1, "seconds": "x"}], "metrics.jsonl:1: damaged: seconds is 'x', not a number"),
        ([{"epoch": "1", "seconds": 1}], "metrics.jsonl:1: damaged: epoch is '1', not a number"),
        ([{"epoch": 1, "seconds": 1, "loss": 2}, {"epoch": 2, "seconds": 1}], "metrics.jsonl:2: damaged: loss"),
        ([{"epoch": 1, "seconds": float("nan")}], "metrics.jsonl:1: damaged: seconds is nan"),
        ([{"epoch": 1, "seconds": 1, "gate": "off"}, {"epoch": 2, "seconds": 1, "gate": 5}], "gate is 5, not a text"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, lines, said):
    write(tmp_path / "metrics.jsonl", *lines)
    with pytest.raises(RecipeError, match=re.escape(said)):
        read_lines(tmp_path / "metrics.jsonl")


def test_damaged_figures_settings_and_records_are_named(tmp_path):
    for value, said in (([1], "not an object"), ({}, "eer is no number"), ({"eer": "x"}, "eer is no number")):
        write(tmp_path / "cosine.json", value)
        with pytest.raises(RecipeError, match=said):
            read_figures(tmp_path / "cosine.json", ("eer",))
    assert read_figures(tmp_path / "gone.json", ("eer",)) == {}
    write(tmp_path / "stamp.json", {"settings": 5})
    with pytest.raises(RecipeError, match="settings is no object"):
        read_stamp(tmp_path / "stamp.json", "settings")
    (tmp_path / "config.yaml").write_text("a: [1")
    for name in ("config.yaml", "gone.yaml"):
        with pytest.raises(RecipeError, match=f"{name}: cannot read it"):
            read_config(tmp_path / name)


def test_the_origin_names_code_and_machine():
    assert describe_origin().startswith("Made with ") and " cores, " in describe_origin()


@pytest.fixture
def rescored(tmp_path):
    """A system with scores, clusters, and PLDA of these clusters."""
    system = tmp_path / "round1"
    for backend in ("cosine", "plda"):
        write(system / f"scores/{backend}.json", {"eer": 4.5})
        (system / f"scores/{backend}").write_text("a b 1\n")
    for name in ("train/embedding.scp", "clusters/utt2cluster", "plda.npz"):
        (system / name).parent.mkdir(exist_ok=True)
        (system / name).write_text(name)
    write(system / "clusters/quality.json", {"nmi": 0.9, "purity": 0.8, "num_clusters": 7})
    Stamp(system / "clusters/stamp.json", {}, [system / "train/embedding.scp"]).write()
    Stamp(system / "plda.json", {}, [system / "train/embedding.scp", system / "clusters/utt2cluster"]).write()
    Stamp(stamp_of_scores(system / "scores/cosine"), {}, [system / "train/embedding.scp"]).write()
    Stamp(stamp_of_scores(system / "scores/plda"), {}, [system / "plda.npz"]).write()
    return system


def shown(system):
    """Back-end and NMI of each record; and what is left out."""
    reasons.cache_clear()
    records = read_experiment(system.parent)
    return [(record["backend"], record["nmi"]) for record in records], list(stale_scores(system.parent))


def test_scores_of_older_clusters_are_never_beside_newer_ones(rescored):
    assert shown(rescored) == ([("cosine", 0.9), ("plda", 0.9)], [])
    (rescored / "clusters/utt2cluster").write_text("clustered again")  # with other settings, say
    write(rescored / "clusters/quality.json", {"nmi": 0.95})
    assert shown(rescored) == ([("cosine", 0.95)], ["round1 plda"])
    assert stale_scores(rescored.parent)["round1 plda"] == f"{rescored}/clusters/utt2cluster has changed"


def test_figures_of_older_clusters_are_never_beside_newer_scores(rescored):
    (rescored / "train/embedding.scp").write_text("embedded again")
    Stamp(stamp_of_scores(rescored / "scores/cosine"), {}, [rescored / "train/embedding.scp"]).write()
    assert shown(rescored) == ([("cosine", None)], ["round1 plda"])


def test_a_quality_that_is_older_than_its_clusters_is_not_shown(rescored):
    later = (rescored / "clusters/quality.json").stat().st_mtime + 5
    os.utime(rescored / "clusters/utt2cluster", (later, later))
    assert shown(rescored) == ([("cosine", None), ("plda", None)], [])
