"""Pseudo labels from embeddings: the files of a clustering, and numbers of clusters that do not fit."""

import json

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from dlglc.clusters.pseudo_labels import make_pseudo_labels
from dlglc.data.arks import read_embeddings, write_embeddings
from dlglc.data.tables import read_table
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import ClusterSettings

TRUTH = np.repeat(np.arange(10), 12)


@pytest.fixture
def scp(tmp_path):
    """Embeddings of ten plain speakers."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10, 12))[TRUTH] + 0.2 * rng.normal(size=(120, 12)) + 1
    return write_embeddings(tmp_path / "embeddings", [f"u{i:03d}" for i in range(120)], x)


def cluster(scp, out_dir, *words):
    make_pseudo_labels(scp, out_dir, load_settings(ClusterSettings, None, list(words)), 3, "cpu")
    return list(read_table(out_dir / "utt2cluster").values())


def test_labels_centroids_and_a_summary(scp, tmp_path):
    labels = cluster(scp, tmp_path / "out", "num_clusters=10")
    assert adjusted_rand_score(TRUTH, labels) == 1
    ids, centroids = read_embeddings(tmp_path / "out/centroids.scp")
    assert ids == [f"{c:06d}" for c in range(10)]
    x = read_embeddings(scp)[1]
    x = x - x.mean(0)
    for c, centroid in enumerate(centroids):
        mean = (x / np.linalg.norm(x, axis=1, keepdims=True))[np.array(labels) == str(c)].mean(0)
        np.testing.assert_allclose(centroid, mean / np.linalg.norm(mean), atol=1e-5)
    summary = json.loads((tmp_path / "out/cluster.json").read_text())
    assert (summary["num_clusters"], summary["smallest"], summary["median"], summary["largest"]) == (10, 12, 12, 12)
    assert (summary["seed"], summary["repaired"]) == (3, 0)


def test_the_number_may_be_left_to_the_recipe(scp, tmp_path, caplog):
    with caplog.at_level("INFO"):
        labels = cluster(scp, tmp_path / "out", "num_clusters=0")
    assert 8 <= len(set(labels)) <= 13
    assert f"{len(set(labels))} clusters are proposed for 120 utterances" in caplog.text


def test_more_centroids_are_merged_to_the_number_of_clusters(scp, tmp_path):
    by_ratio = cluster(scp, tmp_path / "ratio", "num_clusters=12", "ahc_ratio=1.5")
    assert by_ratio == cluster(scp, tmp_path / "number", "num_clusters=12", "ahc_from=18")
    assert len(set(by_ratio)) == 12
    everyone = cluster(scp, tmp_path / "all", "num_clusters=100", "ahc_ratio=2")  # at most as many as utterances
    assert len(set(everyone)) == 100


@pytest.mark.parametrize("words", [["num_clusters=121"], ["num_clusters=5", "ahc_from=121"]])
def test_more_clusters_than_utterances_are_named(scp, tmp_path, words):
    with pytest.raises(RecipeError, match=r"embedding\.scp: 121 clusters of 120 utterances: choose --num-clusters"):
        cluster(scp, tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


def test_doubtful_sizes_are_said_or_end_the_stage(scp, tmp_path, caplog):
    with pytest.raises(RecipeError, match="num_clusters 60 is too large"):
        cluster(scp, tmp_path / "out", "num_clusters=60", "stop_on_bad_sizes=true")
    assert not (tmp_path / "out").exists()
    with caplog.at_level("INFO"):
        cluster(scp, tmp_path / "out", "num_clusters=60")
    assert "clusters: their median size is" in caplog.text
