"""What is known of clusters without labels: sizes, agreement, pairs of recordings, utterances to listen to."""

import json

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from dlglc.clusters.proposal import silhouette
from dlglc.data.arks import write_embeddings
from dlglc.data.tables import read_table, write_table
from dlglc.errors import RecipeError
from dlglc.reports.assessment import (
    agreement,
    assess,
    describe_sizes,
    mean_silhouette,
    same_recording_eer,
    to_listen,
)
from dlglc.settings import load_settings
from dlglc.settings.schema import ClusterSettings
from dlglc.vectors import unit_length

TRUTH = np.repeat(np.arange(8), 10)


def speakers(spread=0.2):
    rng = np.random.default_rng(0)
    return (rng.normal(size=(8, 10))[TRUTH] + spread * rng.normal(size=(80, 10)) + 1).astype("f4")


def test_sizes():
    found = describe_sizes(np.array(["7", "7", "7", "x", "b", "b"]))
    assert found == {"num_clusters": 3, "smallest": 1, "median": 2.0, "largest": 3, "singletons": 1}


def test_agreement_is_the_adjusted_rand_index():
    rng = np.random.default_rng(0)
    other = np.where(rng.random(80) < 0.3, rng.integers(8, size=80), TRUTH)
    assert agreement(TRUTH, other) == pytest.approx(adjusted_rand_score(TRUTH, other), abs=1e-4)
    assert agreement(TRUTH, 7 - TRUTH) == 1


def test_the_silhouette_is_of_directions_from_the_mean():
    x = speakers(0.5)
    assert mean_silhouette(x, TRUTH) == pytest.approx(silhouette(unit_length(x - x.mean(0)), TRUTH), abs=1e-4)


def test_pairs_of_recordings_that_sound_alike_and_that_do_not():
    alike = same_recording_eer(speakers(), [f"r{s}" for s in TRUTH], 0)
    assert alike["same_recording_pairs"] == 8 * 10 * 9 // 2
    assert alike["same_recording_eer"] < 3
    rng = np.random.default_rng(1)
    chance = same_recording_eer(speakers(), [f"r{s}" for s in rng.permutation(TRUTH)], 0)
    assert 35 < chance["same_recording_eer"] < 65
    assert same_recording_eer(speakers(), [f"r{i}" for i in range(80)], 0) == {}
    assert same_recording_eer(speakers(), ["one"] * 80, 0) == {}


def test_two_utterances_of_one_recording_are_one_pair():
    x = np.array([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.5], [-1.0, -0.6]])
    found = same_recording_eer(x, ["a", "a", "b", "c"], 0)
    assert found == {"same_recording_eer": 0.0, "same_recording_pairs": 1}


def test_what_to_listen_to_is_central_middle_and_far():
    x = np.array([[10.0, 0], [10, 1], [10, 4], [-9, 0], [-21, -5]])  # the mean is 0
    found = to_listen(x, np.array(["b", "b", "b", "a", "a"]))
    assert [cluster for cluster, _, _ in found] == ["b", "b", "b", "a", "a"]
    unit = unit_length(x)
    far = np.argsort(-(unit[:3] @ unit_length(unit[:3].mean(0)[None])[0]))
    assert [row for _, row, _ in found[:3]] == far.tolist()
    assert [place for *_, place in found] == ["central", "middle", "farthest", "central", "farthest"]


@pytest.fixture
def world(tmp_path):
    """Embeddings of eight speakers, their clusters, and a data directory that knows recordings."""
    ids = [f"u{i:02d}" for i in range(80)]
    write_table(tmp_path / "clusters/utt2cluster", dict(zip(ids, TRUTH)))
    write_table(tmp_path / "data/utt2reco", {utt: f"r{s}" for utt, s in zip(ids, TRUTH)})
    return write_embeddings(tmp_path, ids, speakers()), tmp_path / "clusters", tmp_path / "data"


def test_the_whole_assessment(world, tmp_path):
    scp, clusters, data = world
    settings = load_settings(ClusterSettings, None, ["num_clusters=8"])
    found = assess(scp, clusters, settings, 0, "cpu", data, clusters / "utt2cluster")
    assert json.loads((clusters / "unlabelled.json").read_text()) == found
    assert found["num_clusters"] == 8
    assert found["seed_agreement"] > 0.9
    assert found["round_agreement"] == 1
    assert found["same_recording_eer"] < 3
    lines = [line.split() for line in (clusters / "listen.txt").read_text().splitlines()]
    assert len(lines) == 24
    table = read_table(clusters / "utt2cluster")
    assert all(table[utt] == cluster for cluster, utt, _ in lines)
    alone = assess(scp, clusters, settings, 0)
    assert not {"round_agreement", "same_recording_eer"} & alone.keys()


def test_an_utterance_without_a_cluster_is_named(world):
    scp, clusters, _ = world
    write_table(clusters / "utt2cluster", {"u00": 1})
    with pytest.raises(RecipeError, match=r"utt2cluster: no cluster for 'u01'"):
        assess(scp, clusters, load_settings(ClusterSettings), 0)
