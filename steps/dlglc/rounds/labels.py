"""Pseudo labels as a round takes them, and the class weights that it may start from."""

from pathlib import Path

import numpy as np

from ..arrays import Array
from ..data.arks import read_embeddings
from ..data.columns import Column
from ..data.tables import read_table
from ..errors import RecipeError


def read_labels(path: Path, ids: Column, data_dir: Path) -> tuple[Array, int]:
    """Cluster numbers of the utterances in their order, renumbered without gaps, and how many clusters there are.

    Raises:
        RecipeError: an utterance without a cluster, or a single cluster for all.
    """
    table = read_table(path)
    missing = next((utt for utt in ids if utt not in table), None)
    if missing is not None:
        raise RecipeError(f"{path}: no cluster for '{missing}' of {data_dir}: cluster this data directory again")
    names, labels = np.unique([table[utt] for utt in ids], return_inverse=True)
    if len(names) < 2:
        raise RecipeError(f"{path}: all utterances are in one cluster: choose a larger --num-clusters")
    return labels.astype(np.int64), len(names)


def cluster_means(embedding_scp: Path, ids: Column, labels: Array, classes: int) -> Array:
    """Mean unit-length embedding of each cluster, (K, D) float32: class weights to start from.

    Raises:
        RecipeError: embeddings of other utterances.
    """
    found, matrix = read_embeddings(embedding_scp)
    if ids != found:
        raise RecipeError(f"{embedding_scp}: its ids are not those of the training data: extract the embeddings again")
    matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    means = np.zeros((classes, matrix.shape[1]))
    np.add.at(means, labels, matrix)
    unit: Array = means / np.linalg.norm(means, axis=1, keepdims=True)
    return unit.astype(np.float32)
