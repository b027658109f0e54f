"""The proposed number of clusters: the silhouette by its definition, the knee of a curve, speakers that are found."""

import numpy as np
import pytest

from dlglc.clusters.proposal import knee, propose_num_clusters, silhouette, silhouette_curve
from dlglc.settings import load_settings
from dlglc.settings.schema import ClusterSettings


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def speakers(count=40, each=15):
    rng = np.random.default_rng(1)
    return rng.normal(size=(count, 24))[np.repeat(np.arange(count), each)] + 0.5 * rng.normal(size=(count * each, 24))


def test_silhouette_by_the_definition():
    rng = np.random.default_rng(0)
    x, labels = unit(rng.normal(size=(60, 5))), rng.integers(7, size=60)
    labels[0] = 7  # alone
    values = []
    for i in range(60):
        rest = np.arange(60) != i
        centroids = {c: unit(x[rest & (labels == c)].sum(0)[None])[0] for c in set(labels[rest])}
        if labels[i] not in centroids:
            values.append(0.0)
            continue
        everyone = {c: unit(x[labels == c].sum(0)[None])[0] for c in set(labels)}
        a = 1 - x[i] @ centroids[labels[i]]
        b = min(1 - x[i] @ everyone[c] for c in everyone if c != labels[i])
        values.append((b - a) / max(a, b))
    assert silhouette(x, labels, chunk=7) == pytest.approx(np.mean(values), abs=1e-9)
    assert silhouette(x, 10 * labels + 3) == pytest.approx(np.mean(values), abs=1e-9)  # any names of clusters


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([(10, 0.1), (20, 0.5), (40, 0.6), (80, 0.65)], 20),
        ([(10, 0.5), (20, 0.4), (40, 0.3), (80, 0.1)], 40),
        ([(10, 0.0), (100, 0.3), (1000, 0.2)], 100),
    ],
)
def test_the_knee_is_farthest_above_the_line_over_log_k(curve, expected):
    assert knee(curve) == expected


def test_the_curve_is_highest_near_the_number_of_speakers(capsys):
    curve = silhouette_curve(speakers(), 10, 160, whiten=0.25, restarts=2, seed=0)
    numbers = [k for k, _ in curve]
    assert (numbers[0], numbers[-1], len(numbers)) == (10, 160, 13)  # three steps for each doubling
    assert numbers == sorted(set(numbers))
    assert 32 <= max(curve, key=lambda point: point[1])[0] <= 64
    assert len(capsys.readouterr().out.splitlines()) == 13


def test_a_proposal_for_the_setting_zero():
    proposal = propose_num_clusters(speakers(), load_settings(ClusterSettings), 0, "cpu")
    assert 32 <= proposal <= 64


@pytest.mark.parametrize("count", [20, 40, 90])
def test_merged_clusters_are_best_near_the_number_of_speakers(count):
    settings = load_settings(ClusterSettings, None, ["num_clusters=0", "ahc_share=0.4", "whiten=0.25"])
    assert propose_num_clusters(speakers(count, 10), settings, 0, "cpu") == pytest.approx(count, rel=0.13)
