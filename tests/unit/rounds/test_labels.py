"""Pseudo labels in the order of the data, and class weights from the clusters' embeddings."""

import numpy as np
import pytest

from dlglc.data.arks import write_embeddings
from dlglc.data.columns import Column
from dlglc.data.tables import write_table
from dlglc.errors import RecipeError
from dlglc.rounds.labels import cluster_means, read_labels

IDS = Column.from_strings(["a", "b", "c", "d", "e"])


def test_labels_are_numbered_without_gaps_in_the_order_of_the_data(tmp_path):
    write_table(tmp_path / "utt2cluster", {"a": 40, "b": 7, "c": 40, "d": 1000, "e": 7, "other": 3})
    labels, classes = read_labels(tmp_path / "utt2cluster", IDS, tmp_path)
    assert labels.dtype == np.int64
    assert classes == 3
    assert labels[0] == labels[2] and labels[1] == labels[4]
    assert sorted({int(labels[0]), int(labels[1]), int(labels[3])}) == [0, 1, 2]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"a": 1, "b": 2, "d": 1, "e": 1}, "utt2cluster: no cluster for 'c' of .*data: cluster this data directory"),
        (dict.fromkeys("abcde", 7), "all utterances are in one cluster: choose a larger --num-clusters"),
    ],
)
def test_labels_that_teach_nothing_are_named(tmp_path, table, words):
    write_table(tmp_path / "utt2cluster", table)
    with pytest.raises(RecipeError, match=words):
        read_labels(tmp_path / "utt2cluster", IDS, tmp_path / "data")


def test_class_weights_are_mean_directions(tmp_path):
    x = np.array([[3.0, 0.0], [0.0, 0.5], [0.0, 9.0], [4.0, 3.0], [-1.0, 0.0]])
    scp = write_embeddings(tmp_path, list(IDS), x)
    means = cluster_means(scp, IDS, np.array([0, 0, 1, 2, 1]), 3)
    assert means.dtype == np.float32
    half = 0.5**0.5
    np.testing.assert_allclose(means, [[half, half], [-half, half], [0.8, 0.6]], atol=1e-6)


def test_embeddings_of_other_utterances_are_named(tmp_path):
    scp = write_embeddings(tmp_path, ["a", "b"], np.eye(2))
    with pytest.raises(RecipeError, match=r"no embedding for .* in .*embedding\.scp: extract it"):
        cluster_means(scp, IDS, np.zeros(5, int), 2)
