"""The pseudo labels of a round, and initial class weights from their clusters."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..data.arks import find_rows, read_embeddings
from ..data.columns import Column
from ..data.tables import read_table
from ..errors import RecipeError


def read_labels(path: Path, ids: Column, data_dir: Path) -> tuple[Array, int]:
    """Read the clusters of the utterances, numbered without gaps.

    Args:
        path: `utterance cluster` lines.
        ids: N utterances.
        data_dir: their data directory, for messages.

    Returns:
        (N,) int64 labels 0 to K-1, and K.

    Raises:
        RecipeError: an utterance has no cluster, or all utterances are in one cluster.
    """
    table = read_table(path)
    missing = next((utt for utt in ids if utt not in table), None)
    if missing is not None:
        raise RecipeError(f"{path}: no cluster for '{missing}' of {data_dir}: cluster this data directory again")
    names, labels = np.unique([table[utt] for utt in ids], return_inverse=True)
    if len(names) < 2:
        raise RecipeError(f"{path}: all utterances are in one cluster: choose a larger --num-clusters")
    return labels.astype(np.int64), len(names)


def cluster_means(embedding_scp: Path, ids: Sequence[str], labels: Array, classes: int) -> Array:
    """The mean direction of each cluster, as initial class weights.

    Args:
        embedding_scp: embeddings of the utterances.
        ids: N utterances.
        labels: (N,) 0 to K-1.
        classes: K.

    Returns:
        (K, D) float32, of unit length.

    Raises:
        RecipeError: the embeddings are not those of the utterances.
    """
    found, matrix = read_embeddings(embedding_scp)
    matrix = matrix[find_rows(found, list(ids), embedding_scp, "the training data")]
    matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    means = np.zeros((classes, matrix.shape[1]))
    np.add.at(means, labels, matrix)
    unit: Array = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit.astype(np.float32)
