"""Clusters of embeddings as the settings say, warnings about their sizes, and the merging of centroids."""

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from dlglc.clusters.search import cluster_embeddings, count_starts, merge, summarise_partition
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import ClusterSettings
from dlglc.vectors import total_whitening, unit_length


def settings(*words):
    return load_settings(ClusterSettings, None, list(words))


def speakers(count=20, each=15, dim=16, spread=0.3, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(count), each)
    return rng.normal(size=(count, dim))[truth] + spread * rng.normal(size=(len(truth), dim)), truth


def test_a_common_offset_is_no_direction():
    """Far from the origin all directions are alike, unless the mean is subtracted."""
    x, _ = speakers()
    plain = cluster_embeddings(x, settings("num_clusters=20"), 0)
    moved = cluster_embeddings(x + 100, settings("num_clusters=20"), 0)
    assert adjusted_rand_score(plain.labels, moved.labels) > 0.95
    assert moved.objective == pytest.approx(plain.objective, abs=0.01)
    left = cluster_embeddings(x + 100, settings("num_clusters=20", "subtract_mean=false"), 0)
    assert left.centroids @ np.full(16, 0.25) == pytest.approx(np.ones(20), abs=0.01)


def test_whitening_finds_speakers_under_a_loud_channel():
    x, truth = speakers()
    x[:, :2] = 3 * np.random.default_rng(1).normal(size=(300, 2))  # what differs most is not the speaker
    plain, white = (
        normalized_mutual_info_score(truth, cluster_embeddings(x, settings("num_clusters=20", *words), 0).labels)
        for words in ([], ["whiten=0.25", "wccn_passes=2"])
    )
    assert plain < 0.8
    assert white > 0.95


@pytest.mark.parametrize("words", [[], ["whiten=0.3"], ["whiten=0.3", "wccn_passes=1"], ["spherical=false"]])
def test_labels_belong_to_the_centroids_in_the_space_that_was_clustered(words):
    x, _ = speakers(spread=1.0)
    found = cluster_embeddings(x, settings("num_clusters=20", *words), 0)
    assert found.labels.dtype == np.int64
    assert sorted(set(found.labels)) == list(range(20))
    points = x - x.mean(0)
    if "spherical=false" not in words:
        points = unit_length(points)
    if "whiten=0.3" in words and "wccn_passes=1" not in words:
        points = unit_length(points @ total_whitening(points, 0.3))
    if "wccn_passes=1" not in words:
        distances = ((points[:, None] - found.centroids) ** 2).sum(-1)
        np.testing.assert_array_equal(found.labels, distances.argmin(1))


@pytest.mark.parametrize("word", ["ahc_from=60", "ahc_share=0.2"])
def test_centroids_are_merged_to_the_number_that_is_wanted(word):
    x, truth = speakers()
    found = cluster_embeddings(x, settings("num_clusters=20", word), 0)
    assert sorted(set(found.labels)) == list(range(20))
    assert adjusted_rand_score(truth, found.labels) > 0.95
    unit = unit_length(x - x.mean(0))
    means = unit_length(np.stack([unit[found.labels == c].mean(0) for c in range(20)]))
    np.testing.assert_allclose(found.centroids, means, atol=1e-5)
    assert found.objective == pytest.approx(np.mean((unit * means[found.labels]).sum(1)), abs=1e-5)


def test_the_number_of_centroids_before_merging():
    for words, utterances, expected in (
        (["num_clusters=20"], 1000, 20),
        (["num_clusters=20", "ahc_from=60"], 1000, 60),
        (["num_clusters=20", "ahc_share=0.3"], 1000, 300),
        (["num_clusters=20", "ahc_ratio=1.5"], 1000, 30),
        (["num_clusters=20", "ahc_ratio=1.5"], 25, 25),
        (["num_clusters=20", "ahc_share=0.3"], 50, 20),
        (["num_clusters=20", "ahc_share=0.3"], 1_000_000, 20_000),
    ):
        assert count_starts(settings(*words), utterances) == expected


def test_a_seed_repeats_and_another_differs():
    x = np.random.default_rng(0).normal(size=(300, 8))
    words = settings("num_clusters=30", "restarts=1")
    one, again, other = (cluster_embeddings(x, words, seed).labels for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert adjusted_rand_score(one, other) < 1


def test_a_start_that_nobody_knows_is_refused_by_the_settings():
    with pytest.raises(RecipeError, match=r"init: must be k-means\+\+ or random, not 'farthest'"):
        settings("init=farthest")


def test_merging_is_average_linkage():
    x = np.random.default_rng(0).normal(size=(60, 5))
    theirs = AgglomerativeClustering(9, metric="cosine", linkage="average").fit(x).labels_
    assert adjusted_rand_score(merge(x, 9), theirs) == 1
    assert merge(x, 9).min() == 0


@pytest.mark.parametrize("spherical", [True, False])
def test_a_partition_is_summarised_as_k_means_does_it(spherical):
    x = np.random.default_rng(0).normal(size=(60, 5))
    labels, centroids, objective = summarise_partition(x, np.array([7, 3] * 30), spherical)
    assert labels.tolist() == [1, 0] * 30
    points = unit_length(x) if spherical else x
    means = np.stack([points[1::2].mean(0), points[0::2].mean(0)])
    np.testing.assert_allclose(centroids, unit_length(means) if spherical else means)
    if spherical:
        assert objective == pytest.approx((points * centroids[labels]).sum(1).mean())
    else:
        assert objective == pytest.approx(((x - centroids[labels]) ** 2).sum(1).mean())
