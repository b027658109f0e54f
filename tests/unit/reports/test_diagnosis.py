"""What went wrong: each problem is found where it is, and nothing is found in a healthy experiment.

tests/recipe/test_diagnose.py does the same with the records of a real run.
"""

import json
import math
import re

import numpy as np
import pytest

from dlglc.data.arks import write_embeddings
from dlglc.data.tables import read_table, write_table
from dlglc.reports.diagnosis import diagnose
from dlglc.reports.diagnosis.clusters import giant
from dlglc.reports.diagnosis.trainings import deviation_of
from dlglc.reports.staleness import reasons
from dlglc.settings import SCHEMAS, load_settings
from support.experiments import write_experiment


@pytest.fixture(autouse=True)
def fresh():
    """What was found of a file is kept while a report is made, not from one to the next."""
    reasons.cache_clear()


@pytest.fixture
def world(tmp_path):
    """A healthy experiment and its data."""
    return write_experiment(tmp_path)


def problems(world, *systems):
    """The problems that are found, as "system: problem"; and each remedy names keys that exist."""
    found = diagnose(*world).found
    for one in found:
        for idea, key in re.findall(rf"\b({'|'.join(SCHEMAS)})\.([a-z_.]+\w)", one.remedy):
            settings = load_settings(SCHEMAS[idea])
            for part in key.split("."):
                settings = getattr(settings, part)
    return [f"{one.place}: {one.problem}" for one in found]


def change(path, epochs=None, **figures):
    """Change figures in the lines of a .jsonl file: in all of them, or in those of some epochs."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [line | figures if epochs is None or line["epoch"] in epochs else line for line in lines]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_healthy_experiment(world):
    diagnosis = diagnose(*world)
    assert diagnosis.found == []
    assert len(diagnosis.checked) == 7
    assert diagnosis.unchecked == ["clusters that change with the seed (assessed without labels only)"]


def test_without_truth_and_trials_the_rest_is_checked(tmp_path):
    diagnosis = diagnose(*write_experiment(tmp_path, truth=False, trials=False))
    assert diagnosis.unchecked == ["error rates (no trials)"]
    assert [one.problem.split(",")[0] for one in diagnosis.found] == []


def test_nothing_to_look_at(tmp_path):
    diagnosis = diagnose(tmp_path, None)
    assert diagnosis.found == diagnosis.checked == []
    assert len(diagnosis.unchecked) == 8


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        ({"teacher_entropy": 0.99 * math.log(65536)}, "collapse: every output is uniform"),
        ({"batch_entropy": 1.0}, "collapse: the outputs are on few prototypes"),
        ({"embedding_std": 0.05}, "collapse: all embeddings are nearly the same"),
    ],
)
def test_a_collapse_of_dino(world, figures, words):
    change(world[0] / "dino/metrics.jsonl", **figures)
    (found,) = problems(world)
    assert found.startswith(f"dino: {words}")


def test_a_batch_of_several_processes_is_looked_at_as_each_saw_it(world):
    # 256 utterances in 64 processes: 4 in each, whose outputs can have ln 4 = 1.39 at most.
    change(world[0] / "dino/metrics.jsonl", batch_entropy=1.3, processes=64)
    assert problems(world) == []


def test_embeddings_that_are_all_the_same(world):
    scp = world[0] / "round2/train/embedding.scp"
    ids = [line.split()[0] for line in scp.read_text().splitlines()]
    assert deviation_of(scp) > 0.5
    points = 1 + 0.01 * np.random.default_rng(0).normal(size=(len(ids), 8))
    write_embeddings(scp.parent, ids, points)
    (found,) = problems(world)
    assert re.match(r"round2: collapse: all embeddings are nearly the same \(deviation 0\.0\d\d;", found)


@pytest.mark.parametrize(
    ("kept", "gate", "words"),
    [
        (1.0, "crossing", "the gate keeps every label: 100.0 %"),
        (1.0, "none", "the gate gives no threshold: 100.0 %"),
        (1.0, "opened", "the gate was opened: 100.0 %"),
        (0.01, "crossing", "the gate keeps almost no label: 1.0 %"),
    ],
)
def test_a_gate_that_does_nothing(world, kept, gate, words):
    change(world[0] / "round1/metrics.jsonl", epochs=(2, 3, 4), kept=kept, gate=gate)
    (found,) = problems(world)
    assert found.startswith(f"round1: {words}")


def test_a_round_that_kept_the_start(world):
    change(world[0] / "round1/metrics.jsonl", held_out_start=3.0, held_out_eer=3.5)
    change(world[0] / "round2/metrics.jsonl", held_out_start=3.0, held_out_eer=2.5)
    (found,) = problems(world)
    assert found.startswith("round1: The model is the start, unchanged: the error rate on held-out clusters is 3.00 %")


def test_a_gate_that_was_not_asked_for_is_not_missed(world):
    stamp = world[0] / "round1/stamp.json"
    record = json.loads(stamp.read_text())
    record["settings"]["dlglc"]["gate"]["mode"] = "none"
    stamp.write_text(json.dumps(record))
    change(world[0] / "round1/metrics.jsonl", kept=1.0, gate="off")
    assert problems(world) == []


def set_rate(system, backend, **rates):
    file = system / f"scores/{backend}.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | rates))


def test_an_error_rate_near_chance(world):
    set_rate(world[0] / "round2", "cosine", eer=48.0)
    found = problems(world)
    assert found[0] == "round2: EER is near chance, which is 50 %: 48.0 % by cosine"
    assert found[1].startswith("round2: worse than round1: EER by cosine rises from ")
    assert len(found) == 2


def test_a_system_that_is_no_better_than_nothing_learned(world):
    set_rate(world[0] / "untrained", "plda", eer=20.0)
    set_rate(world[0] / "dino", "plda", eer=21.0)
    assert problems(world) == [
        "dino: EER is no better than before training: 21.0 % by PLDA, where the untrained encoder has 20.0 %"
    ]


def test_a_round_that_is_worse(world):
    for name, eer in (("dino", 4.5), ("round1", 4.0), ("round2", 5.0)):
        set_rate(world[0] / name, "plda", eer=eer, eer_ci=[3.0, 4.9])
    assert problems(world) == ["round2: worse than round1: EER by PLDA rises from 4.00 to 5.00 %"]
    set_rate(world[0] / "round2", "plda", eer=4.8)  # as far as other speakers could move it
    assert problems(world) == []
    quality = world[0] / "round2/clusters/quality.json"
    quality.write_text(json.dumps({"nmi": 0.5}))
    assert re.match(r"round2: worse than round1: NMI of the clusters falls from 0\.\d+ to 0\.500", problems(world)[0])


def test_a_first_round_that_is_worse_than_dino(world):
    set_rate(world[0] / "round1", "cosine", eer=9.0)
    set_rate(world[0] / "round1", "plda", eer=9.0)
    (found,) = problems(world)
    assert re.match(r"round1: worse than dino: EER by cosine rises from .* to 9\.00 %; EER by PLDA rises from ", found)


def test_a_round_that_is_worse_without_labels(tmp_path):
    world = write_experiment(tmp_path, truth=False, trials=False)
    file = world[0] / "round2/clusters/unlabelled.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"seed_agreement": 0.4}))
    assert problems(world) == [
        "round2: worse than round1: agreement of clusters between seeds falls from 0.800 to 0.400",
        "round2: clusters change with the seed: agreement 0.40, where 1 is the same clusters and 0 is chance",
    ]


def test_a_giant_cluster():
    assert giant("x", np.array([10] * 8)) == []
    assert giant("x", np.array([90] + [10] * 3)) == []  # of four clusters, one may well have most
    (found,) = giant("x", np.array([40] + [5] * 8))
    assert found.problem == "clusters: one of 9 clusters has 40 of 80 utterances"


def test_sizes_that_the_clusters_log_warns_of(world):
    table = read_table(world[0] / "dino/clusters/utt2cluster")
    write_table(world[0] / "dino/clusters/utt2cluster", {utt: i // 2 for i, utt in enumerate(table)})
    (found,) = problems(world)
    assert found.startswith("dino: clusters: their median size is 2, too few utterances to train a class")


def by_session(world):
    """Make clusters of the last round that are sessions, and enough pairs of utterances to see it."""
    sessions = read_table(world[1] / "train/utt2sess")
    write_table(world[0] / "round2/clusters/utt2cluster", sessions)


def test_clusters_that_are_sessions_by_the_true_speakers(world):
    by_session(world)
    (found,) = problems(world)
    assert found == (
        "round2: clusters are sessions, not speakers: of pairs of one speaker, 100.0 % are in one cluster if they are "
        "of one session, and 0.0 % if they are of two"
    )


def test_clusters_that_may_be_sessions_by_a_sign_without_labels(tmp_path):
    world = write_experiment(tmp_path, truth=False, trials=False)
    by_session(world)
    (found,) = problems(world)
    assert found.startswith("round2: clusters may be sessions, not speakers: 100.0 % of the utterances are of the main")
    assert diagnose(*world).found[0].remedy.startswith("this is as it should be if each person has one session only.")


def test_error_rates_within_and_across_sessions(world):
    for part, eer in (("within", 2.0), ("across", 9.0)):
        source = world[0] / "round2/scores/cosine.json"
        (world[0] / f"round2/scores/cosine_{part}.json").write_text(
            json.dumps(json.loads(source.read_text()) | {"eer": eer})
        )
    assert problems(world) == [
        "round2: EER by cosine is 9.0 % across sessions and 2.0 % within: much of what the system recognises is the "
        "session"
    ]
