"""Held-out clusters: a sign, without a true label, of whether training makes an encoder better for new speakers.

A share of the clusters is not trained on. After each epoch, short crops of their utterances are compared. The clusters
were found with whole utterances, so their labels are more often right than the decision on two short crops.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from ..arrays import Array
from ..data.crops import Crops, FeatureCrops
from ..data.views import Views
from ..encoders.base import evaluating
from ..errors import RecipeError
from ..scoring.metrics import equal_error_rate, rates, roc
from ..vectors import unit_length

BATCH = 32  # utterances that are embedded together
MOST = 1000  # utterances; more would make millions of trials
WORST = 100.0  # percent: the error rate of embeddings that are not finite


class Split(NamedTuple):
    """Utterances that are trained on, and others.

    Attributes:
        rows: (n,) utterances that are trained on.
        labels: (n,) their classes 0 to k-1.
        clusters: (k,) cluster of each class.
        held: (N - n,) the other utterances.
    """

    rows: Array
    labels: Array
    clusters: Array
    held: Array


def split_clusters(labels: Array, share: float, seed: int) -> Split:
    """Hold a share of the clusters out.

    Args:
        labels: (N,) clusters 0 to K-1.
        share: of the clusters, 0 or more and below 1. Two or more are held out, and two or more are trained on.
        seed: of the choice.

    Raises:
        RecipeError: too few clusters.
    """
    clusters = int(labels.max()) + 1
    count = max(2, round(share * clusters)) if share else 0
    if clusters - count < 2:
        raise RecipeError(f"adapt.held_out: {share:g} of {clusters} clusters leaves fewer than two to train on: set 0")
    chosen = np.random.default_rng(seed).permutation(clusters)[:count]
    held = np.isin(labels, chosen)
    trained, classes = np.unique(labels[~held], return_inverse=True)
    return Split(np.flatnonzero(~held), classes.astype(np.int64), trained, np.flatnonzero(held))


class HeldOut:
    """The error rate on crops of held-out clusters.

    Two crops of each utterance are embedded. Trials are all pairs of a first and a second crop of different utterances.
    A pair of one cluster is a target trial.

    Args:
        crops: two crops per utterance of the data directory, without augmentation.
        rows: (M,) the held-out utterances.
        labels: (M,) their clusters.
        views: turns batches into the input of the network.

    Raises:
        RecipeError: no cluster has two utterances, or there is one cluster only.
    """

    def __init__(self, crops: Crops | FeatureCrops, rows: Array, labels: Array, views: Views):
        order = np.argsort(labels, kind="stable")[:MOST]
        rows, labels = rows[order], labels[order]
        self.crops, self.rows, self.views = crops, rows, views
        different = ~np.eye(len(rows), dtype=bool)
        self.pairs = np.nonzero(different)
        self.target = (labels[:, None] == labels[None])[different]
        if self.target.all() or not self.target.any():
            raise RecipeError(
                "adapt.held_out: the held-out clusters have no pair of utterances of one cluster, or none of two: hold "
                "a larger share out, or set 0"
            )

    @torch.no_grad()
    def error_rate(self, network: nn.Module, device: torch.device) -> float:
        """EER in percent of the cosines of crops, less their mean; WORST if an embedding is not finite.

        The network is left in the mode that it was in.
        """
        halves: list[list[torch.Tensor]] = [[], []]
        with evaluating(network):
            for start in range(0, len(self.rows), BATCH):
                rows = self.rows[start : start + BATCH]
                batch = {key: value.to(device) for key, value in self.crops.batch(0, rows).items()}
                for half, part in zip(halves, network(self.views(batch, 0, augmented=False)).float().cpu().chunk(2)):
                    half.append(part)
        first, second = (torch.cat(half).numpy() for half in halves)
        if not (np.isfinite(first).all() and np.isfinite(second).all()):
            return WORST
        mean = (first.mean(0) + second.mean(0)) / 2
        scores = (unit_length(first, mean) @ unit_length(second, mean).T)[self.pairs]
        curve = roc(scores, self.target)
        # With three decimals metrics.jsonl holds it as it is, so that reports see the same lowest epoch.
        return round(100 * equal_error_rate(*rates(*curve.counts())), 3)
