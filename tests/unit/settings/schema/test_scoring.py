"""conf/cluster.yaml and conf/backend.yaml: settings that cancel each other, and the edges of the ranges."""

import numpy as np
import pytest

from dlglc.scoring.cohort import cohort_statistics
from dlglc.settings import load_settings
from dlglc.settings.schema import BackendSettings, ClusterSettings
from support.settings import refusal


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("top_n=1", "top_n: the score of one cohort member has no standard deviation"),
        ("adapt_within=0.9", "adapt_within: 0.9 and adapt_between 0.25 share out one excess of variance"),
        ("adapt_between=0.3", "--set adapt_between=0.3: adapt_within: 0.75 and adapt_between 0.3"),
    ],
)
def test_settings_that_cancel_each_other_are_refused(words, part):
    assert part in refusal(BackendSettings, words.split())


def test_more_centroids_than_clusters_are_merged():
    assert "ahc_from: 7500 centroids cannot be merged to 7500" in refusal(ClusterSettings, ["ahc_from=7500"])
    assert "num_clusters: one cluster teaches nothing" in refusal(ClusterSettings, ["num_clusters=1"])
    load_settings(ClusterSettings, None, ["ahc_from=7501"])
    assert "ahc_ratio: ahc_from says the same" in refusal(ClusterSettings, ["ahc_from=7501", "ahc_ratio=1.5"])
    load_settings(ClusterSettings, None, ["ahc_ratio=1.5"])


def test_the_smallest_top_n_has_a_deviation():
    rng = np.random.default_rng(0)
    x, cohort = rng.standard_normal((3, 4)), rng.standard_normal((9, 4))
    assert (cohort_statistics(x, cohort, 2)[1] > 1e-4).all()
    assert (cohort_statistics(x, cohort, 1)[1] <= 1e-6).all()  # which top_n: 1 would divide by


def test_the_centroids_before_merging_are_a_number_or_a_share():
    assert "ahc_share: ahc_from says the same" in refusal(ClusterSettings, ["ahc_from=9000", "ahc_share=0.3"])
    load_settings(ClusterSettings, None, ["ahc_share=0.3"])
