"""The proposed number of clusters: near the truth where clusters are plain, its silhouette by the definition."""

import json

import numpy as np
import pytest

from dlglc.clusters.proposal import silhouette
from dlglc.data.arks import write_embeddings


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


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


def test_proposal_is_near_the_number_of_speakers(script, tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 24))[np.repeat(np.arange(40), 15)] + 0.5 * rng.normal(size=(600, 24))
    write_embeddings(tmp_path, [f"u{i:03d}" for i in range(600)], x)
    done = script("steps/propose_num_clusters.py", tmp_path / "embedding.scp", tmp_path / "k.json")
    found = json.loads((tmp_path / "k.json").read_text())
    assert 32 <= found["num_clusters"] <= 64
    assert f"proposal: {found['num_clusters']}" in done.stdout
    wrong = script(
        "steps/propose_num_clusters.py", "--largest", 500, tmp_path / "embedding.scp", tmp_path / "k.json", check=False
    )
    assert wrong.returncode == 1
    assert "--largest" in wrong.stderr
