"""The two-step option, whitening, bad settings by message."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from dlglc.data.arks import read_embeddings, write_embeddings


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


def test_too_many_clusters_are_said_or_end_the_stage(script, tmp_path):
    write_embeddings(tmp_path, [f"u{i:02d}" for i in range(60)], np.random.default_rng(0).normal(size=(60, 6)))
    command = ["steps/cluster.py", tmp_path / "embedding.scp", tmp_path / "c", "--num-clusters", 30]
    done = script(*command, "--set", "stop_on_bad_sizes=true", check=False)
    assert done.returncode == 1
    assert "num_clusters 30 is too large" in done.stderr and not (tmp_path / "c").exists()
    done = script(*command)
    assert "num_clusters 30 is too large" in done.stdout + done.stderr and (tmp_path / "c/utt2cluster").exists()
