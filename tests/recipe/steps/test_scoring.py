"""Clustering and scoring by their command lines, and what they say of wrong input."""

import json

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from dlglc.data.arks import read_embeddings, write_embeddings


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """30 speakers × 8 embeddings with their truth, and a trial list."""
    top = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(30), 8)
    x = rng.normal(size=(30, 16))[speakers] + 0.7 * rng.normal(size=(240, 16)) + 3
    ids = [f"s{s:02d}-u{i % 8}" for i, s in enumerate(speakers)]
    write_embeddings(top, ids, x)
    (top / "truth").write_text("".join(f"{u} s{s:02d}\n" for u, s in zip(ids, speakers)))
    lines = []
    for _ in range(3000):
        a, b = rng.integers(240, size=2)
        if rng.random() < 0.5:
            b = a // 8 * 8 + rng.integers(8)
        if a != b:
            lines.append(f"{ids[a]} {ids[b]} {'target' if speakers[a] == speakers[b] else 'nontarget'}\n")
    (top / "trials").write_text("".join(lines))
    return top


@pytest.fixture(scope="module")
def clusters(world, script):
    script("steps/cluster.py", world / "embedding.scp", world / "clusters", "--num-clusters", 30)
    return world / "clusters"


def metrics(script, world, scores):
    return json.loads(script("steps/compute_metrics.py", scores, world / "trials").stdout)


def test_clusters_and_their_quality(world, clusters, script):
    found = dict(line.split() for line in (clusters / "utt2cluster").read_text().splitlines())
    truth = dict(line.split() for line in (world / "truth").read_text().splitlines())
    quality = json.loads(script("steps/cluster_quality.py", clusters / "utt2cluster", world / "truth").stdout)
    c, s = [found[u] for u in truth], list(truth.values())
    assert quality["nmi"] == pytest.approx(normalized_mutual_info_score(s, c), abs=1e-4)
    assert quality["ari"] == pytest.approx(adjusted_rand_score(s, c), abs=1e-4)
    assert quality["nmi"] > 0.8
    assert quality["accuracy"] <= quality["purity"] <= 1
    assert len(read_embeddings(clusters / "centroids.scp")[0]) == 30
    assert json.loads((clusters / "cluster.json").read_text())["num_clusters"] == 30


def test_clusters_repeat_and_two_steps_work(world, clusters, script, tmp_path):
    script("steps/cluster.py", world / "embedding.scp", tmp_path / "again", "--num-clusters", 30)
    assert (tmp_path / "again/utt2cluster").read_text() == (clusters / "utt2cluster").read_text()
    script("steps/cluster.py", world / "embedding.scp", tmp_path / "two", "--num-clusters", 30, "--set", "ahc_from=90")
    quality = json.loads(script("steps/cluster_quality.py", tmp_path / "two/utt2cluster", world / "truth").stdout)
    assert quality["num_clusters"] == 30
    assert quality["nmi"] > 0.8


def test_quality_by_hand(script, tmp_path):
    (tmp_path / "clusters").write_text("a 0\nb 0\nc 0\nd 1\ne 1\nf 2\n")
    (tmp_path / "truth").write_text("a x\nb x\nc y\nd y\ne y\nf y\n")
    quality = json.loads(script("steps/cluster_quality.py", tmp_path / "clusters", tmp_path / "truth").stdout)
    assert quality["purity"] == pytest.approx(5 / 6, abs=1e-4)
    assert quality["accuracy"] == pytest.approx(4 / 6, abs=1e-4)


def test_back_ends_in_trial_order(world, clusters, script, tmp_path):
    scp = world / "embedding.scp"
    script("steps/score_trials.py", "--mean-from", scp, world / "trials", scp, tmp_path / "cosine")
    script(
        "steps/score_trials.py",
        "--mean-from",
        scp,
        "--cohort",
        scp,
        "--top-n",
        50,
        world / "trials",
        scp,
        tmp_path / "asnorm",
    )
    script("steps/train_plda.py", scp, clusters / "utt2cluster", tmp_path / "plda.npz")
    script(
        "steps/score_trials.py",
        "--backend",
        "plda",
        "--plda",
        tmp_path / "plda.npz",
        world / "trials",
        scp,
        tmp_path / "plda",
    )
    wanted = [line.split()[:2] for line in (world / "trials").read_text().splitlines()]
    rates = {}
    for name in ("cosine", "asnorm", "plda"):
        lines = (tmp_path / name).read_text().splitlines()
        assert [line.split()[:2] for line in lines] == wanted
        rates[name] = metrics(script, world, tmp_path / name)["eer"]
    ids, x = read_embeddings(scp)
    x = x - x.mean(0)
    a, b = (x[ids.index(u)] for u in wanted[5])
    score = float((tmp_path / "cosine").read_text().splitlines()[5].split()[2])
    assert score == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-5)
    assert all(rate < 12 for rate in rates.values())


def test_metrics_do_not_care_for_order(world, script, tmp_path):
    scp = world / "embedding.scp"
    script("steps/score_trials.py", world / "trials", scp, tmp_path / "scores")
    straight = metrics(script, world, tmp_path / "scores")
    lines = (tmp_path / "scores").read_text().splitlines(keepends=True)
    (tmp_path / "shuffled").write_text("".join(lines[::-1]))
    assert metrics(script, world, tmp_path / "shuffled") == straight
    assert straight["num_target"] + straight["num_nontarget"] == len(lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["steps/cluster.py", "embedding.scp", "out", "--num-clusters", 241], ["241 clusters of 240", "embedding.scp"]),
        (["steps/cluster.py", "none.scp", "out", "--num-clusters", 3], ["none.scp", "no such file"]),
        (["steps/score_trials.py", "unknown", "embedding.scp", "out"], ["unknown:2", "'nobody'"]),
        (["steps/score_trials.py", "wrong", "embedding.scp", "out"], ["wrong:1", "target|nontarget"]),
        (["steps/score_trials.py", "--backend", "plda", "trials", "embedding.scp", "out"], ["--plda"]),
        (["steps/compute_metrics.py", "half", "trials"], ["trials:2", "no score"]),
        (["steps/compute_metrics.py", "truth", "trials"], ["truth:1", "enrol test score"]),
        (["steps/score_trials.py", "trials", "broken.scp", "out"], ["broken.scp:1", "extract the embeddings again"]),
    ],
)
def test_mistakes_are_named(world, script, tmp_path, arguments, words):
    trials = (world / "trials").read_text().splitlines(keepends=True)
    (tmp_path / "unknown").write_text(trials[0] + "nobody s01-u0 target\n")
    (tmp_path / "wrong").write_text("s01-u0 s01-u1 yes\n")
    (tmp_path / "half").write_text(" ".join(trials[0].split()[:2]) + " 0.5\n")
    (tmp_path / "broken.scp").write_text("s00-u0 /gone.ark:5\n")
    for name in ("embedding.scp", "trials", "truth"):
        (tmp_path / name).write_text((world / name).read_text())
    paths = [
        tmp_path / a if isinstance(a, str) and not a.startswith(("steps/", "--")) and a != "plda" else a
        for a in arguments
    ]
    done = script(*paths, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "out").exists()
