"""Warnings about the sizes of clusters. Stands without torch, so that a diagnosis starts quickly."""

import numpy as np

from ..arrays import Array


def size_warnings(sizes: Array, wanted: int) -> list[str]:
    """Warnings about doubtful sizes of clusters, each with a remedy. Empty if there are none.

    For comparison, on speechocean762 (125 speakers) the median size is 12 with 200 clusters, and 3 with 600. The
    largest cluster has 4 times the mean size. With embeddings of a collapsed DINO it has 5 times the mean, with those
    of an untrained encoder on mini 10 times.

    Args:
        sizes: (K',) utterances of each cluster that is not empty.
        wanted: the number of clusters that was asked for.
    """
    found = []
    if len(sizes) < wanted:
        found.append(
            f"{wanted - len(sizes)} of {wanted} stayed empty, because many embeddings are equal: look for copies of "
            "recordings, and for signs of collapse in DINO's log"
        )
    if np.median(sizes) < 4:
        found.append(
            f"their median size is {np.median(sizes):.0f}, too few utterances to train a class: num_clusters "
            f"{wanted} is too large (steps/propose_num_clusters.py proposes a number)"
        )
    if sizes.max() > 20 * sizes.mean():
        found.append(
            f"one of them has {sizes.max()} of {sizes.sum()} utterances, {sizes.max() / sizes.mean():.0f} times the "
            "mean: its embeddings are nearly the same, perhaps because of the channel or of silence. Listen to this "
            "cluster; whiten: 0.25 may help"
        )
    return found
