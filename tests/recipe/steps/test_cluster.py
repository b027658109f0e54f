"""Cluster quality against scikit-learn and the Hungarian method; the two-step option; bad settings by message."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from dlglc.clusters.search import merge, size_warnings, summarise_partition
from dlglc.data.arks import read_embeddings, write_embeddings
from dlglc.reports.quality import cluster_quality


@pytest.mark.parametrize("seed", range(12))
def test_quality_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    speakers = rng.integers(rng.integers(1, 40), size=300)
    clusters = np.where(rng.random(300) < rng.random(), speakers, rng.integers(1, 60, 300))
    table = contingency_matrix(clusters, speakers)
    found = cluster_quality(clusters.astype(str).tolist(), speakers.astype(str).tolist())
    assert found["nmi"] == pytest.approx(normalized_mutual_info_score(speakers, clusters), abs=1e-5)
    assert found["ari"] == pytest.approx(adjusted_rand_score(speakers, clusters), abs=1e-5)
    assert found["purity"] == pytest.approx(table.max(1).sum() / 300, abs=1e-5)
    assert found["accuracy"] == pytest.approx(table[linear_sum_assignment(table, maximize=True)].sum() / 300, abs=1e-5)
    assert (found["num_clusters"], found["num_speakers"]) == table.shape
    assert found["singletons"] == (table.sum(1) == 1).sum()


@pytest.mark.parametrize(("clusters", "speakers"), [("a", "x"), ("aaa", "xyz"), ("abc", "xxx"), ("abc", "xyz")])
def test_quality_of_extremes(clusters, speakers):
    found = cluster_quality(list(clusters), list(speakers))
    assert found["nmi"] == pytest.approx(normalized_mutual_info_score(list(speakers), list(clusters)), abs=1e-5)
    assert found["ari"] == pytest.approx(adjusted_rand_score(list(speakers), list(clusters)), abs=1e-5)


def test_merging_is_average_linkage():
    x = np.random.default_rng(0).normal(size=(60, 5))
    theirs = AgglomerativeClustering(9, metric="cosine", linkage="average").fit(x).labels_
    assert adjusted_rand_score(merge(x, 9), theirs) == 1
    labels, centroids, objective = summarise_partition(x, np.array([7, 3] * 30), spherical=False)
    np.testing.assert_allclose(centroids, [x[1::2].mean(0), x[0::2].mean(0)])
    assert objective == pytest.approx(((x - centroids[labels]) ** 2).sum(1).mean())


def test_two_steps_write_unit_centroids_of_their_members(script, tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 6))
    ids = [f"u{i:02d}" for i in range(80)]
    write_embeddings(tmp_path, ids, x)
    script("steps/cluster.py", tmp_path / "embedding.scp", tmp_path / "c", "--num-clusters", 5, "--set", "ahc_from=20")
    table = dict(line.split() for line in (tmp_path / "c/utt2cluster").read_text().splitlines())
    labels = np.array([int(table[u]) for u in ids])
    unit = x - x.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for c, centroid in enumerate(read_embeddings(tmp_path / "c/centroids.scp")[1]):
        mean = unit[labels == c].mean(0)
        np.testing.assert_allclose(centroid, mean / np.linalg.norm(mean), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--num-clusters", 9], ["9 clusters of 8 utterances", "embedding.scp", "--num-clusters"]),
        (["--num-clusters", 5, "--set", "ahc_from=3"], ["ahc_from", "3 centroids"]),
        (["--num-clusters", 2, "--set", "ahc_from=20"], ["20 clusters of 8"]),
        (["--num-clusters", 2, "--set", "restart=3"], ["restart", "Did you mean 'restarts'"]),
        (["--num-clusters", 2, "--set", "init=farthest"], ["farthest", "k-means++ or random"]),
    ],
)
def test_mistakes_are_named(script, tmp_path, options, words):
    write_embeddings(tmp_path, [f"u{i}" for i in range(8)], np.eye(8))
    done = script("steps/cluster.py", tmp_path / "embedding.scp", tmp_path / "out", *options, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "out").exists()


def test_whitening_finds_speakers_under_a_loud_channel(script, tmp_path):
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(20), 15)
    x = rng.normal(size=(20, 16))[speakers] + 0.3 * rng.normal(size=(300, 16))
    x[:, :2] = 3 * rng.normal(size=(300, 2))  # what differs most is not the speaker
    write_embeddings(tmp_path, [f"u{i:03d}" for i in range(300)], x)
    found = {}
    for passes in (0, 2):
        settings = ["--set", "whiten=0.25" if passes else "whiten=0", f"wccn_passes={passes}"]
        script("steps/cluster.py", tmp_path / "embedding.scp", tmp_path / str(passes), "--num-clusters", 20, *settings)
        table = dict(line.split() for line in (tmp_path / f"{passes}/utt2cluster").read_text().splitlines())
        found[passes] = normalized_mutual_info_score(speakers, list(table.values()))
    assert found[0] < 0.8
    assert found[2] > 0.95


@pytest.mark.parametrize(
    ("sizes", "wanted", "words"),
    [
        ([12, 4, 49, 7], 4, []),
        ([3, 3, 20, 1], 4, ["median size is 3,"]),
        ([9, 9], 3, ["1 of 3 stayed empty"]),
        ([5] * 60 + [150], 61, ["150 of 450 utterances, 20 times"]),
        ([1] * 40 + [99], 50, ["9 of 50 stayed empty", "median size is 1,", "99 of 139 utterances, 29 times"]),
    ],
)
def test_sizes_that_speak_of_something_wrong(sizes, wanted, words):
    found = size_warnings(np.array(sizes), wanted)
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found))


def test_too_many_clusters_are_said_or_end_the_stage(script, tmp_path):
    write_embeddings(tmp_path, [f"u{i:02d}" for i in range(60)], np.random.default_rng(0).normal(size=(60, 6)))
    command = ["steps/cluster.py", tmp_path / "embedding.scp", tmp_path / "c", "--num-clusters", 30]
    done = script(*command, "--set", "stop_on_bad_sizes=true", check=False)
    assert done.returncode == 1
    assert "num_clusters 30 is too large" in done.stderr and not (tmp_path / "c").exists()
    done = script(*command)
    assert "num_clusters 30 is too large" in done.stdout + done.stderr and (tmp_path / "c/utt2cluster").exists()
