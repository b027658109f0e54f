"""Held-out clusters: what is held out, and the error rate on their crops."""

import numpy as np
import pytest
import torch
from torch import nn

from dlglc.data.crops import FeatureCrops
from dlglc.data.views import Views
from dlglc.errors import RecipeError
from dlglc.rounds.held_out import WORST, HeldOut, split_clusters

LABELS = np.repeat(np.arange(10), 3)


def test_whole_clusters_are_held_out():
    split = split_clusters(LABELS, 0.3, 0)
    assert len(split.clusters) == 7
    assert sorted([*split.rows, *split.held]) == list(range(30))
    assert set(LABELS[split.held]) & set(LABELS[split.rows]) == set()
    assert np.array_equal(split.clusters[split.labels], LABELS[split.rows])
    assert not np.array_equal(split.held, split_clusters(LABELS, 0.3, 1).held)
    with pytest.raises(RecipeError, match=r"held_out: 0\.9 of 10 clusters"):
        split_clusters(LABELS, 0.9, 0)


class Sum(nn.Module):
    """The mean over time as an embedding."""

    def forward(self, feats):
        return feats.mean(1)


def held_out(tmp_path, write_ark, fbank, arrays, labels):
    write_ark(tmp_path, arrays)
    crops = FeatureCrops(tmp_path, fbank, [(2, 0.1)], 0)
    return HeldOut(crops, np.arange(len(arrays)), labels, Views(fbank, None, hidden=True))


def test_an_encoder_that_tells_clusters_apart_makes_no_error(tmp_path, write_ark, fbank):
    rng = np.random.default_rng(0)
    voices = rng.normal(size=(4, 80)) * 5
    arrays = {f"u{i:02d}": (voices[i % 4] + rng.normal(size=(40, 80))).astype("f4") for i in range(16)}
    found = held_out(tmp_path, write_ark, fbank, arrays, np.arange(16) % 4)
    assert len(found.target) == 16 * 15  # a crop is not compared with its own utterance
    assert found.target.sum() == 4 * 4 * 3
    network = Sum().train()
    assert found.error_rate(network, torch.device("cpu")) == 0
    assert network.training
    voices[0, 0] = np.inf
    broken = {utt: (voices[i % 4] + rng.normal(size=(40, 80))).astype("f4") for i, utt in enumerate(arrays)}
    (tmp_path / "broken").mkdir()
    bad = held_out(tmp_path / "broken", write_ark, fbank, broken, np.arange(16) % 4)
    assert bad.error_rate(network, torch.device("cpu")) == WORST
    shuffled = held_out(tmp_path, write_ark, fbank, arrays, rng.permutation(np.arange(16) % 4))
    assert shuffled.error_rate(network, torch.device("cpu")) > 20


def test_clusters_without_a_pair_are_named(tmp_path, write_ark, fbank):
    arrays = {f"u{i}": np.ones((40, 80), "f4") for i in range(3)}
    for labels in ([0, 1, 2], [0, 0, 0]):
        with pytest.raises(RecipeError, match="held_out: the held-out clusters have no pair"):
            held_out(tmp_path, write_ark, fbank, arrays, np.array(labels))
