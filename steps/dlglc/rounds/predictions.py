"""Predictions of the classes of whole utterances, and how sure a prediction must be.

The clusters were found among embeddings of whole utterances, in a space that is whitened by the covariance within
clusters. A prediction from one crop by plain cosines knows less than that. These predictions know as much.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from ..arrays import Array
from ..vectors import group_means, unit_length, within_class_whitening
from .loss import correction_targets

CHUNK = 4096  # rows whose cosines with all classes are in memory at a time
RANDOM = 2000  # random embeddings that a threshold is taken from


class Predictions(NamedTuple):
    """The predicted class of every utterance.

    Attributes:
        best: (N,) int64 class, 0 to K-1.
        sure: (N,) bool, True if the class leads by more than nearly all random embeddings would have it lead.
    """

    best: Array
    sure: Array


def predict(embeddings: Array, labels: Array, random_share: float, seed: int) -> Predictions:
    """Predict the class of every utterance: the nearest class mean, in the space of the labels.

    An utterance does not count in the mean of its own class, which would otherwise draw it. The lead of a prediction is
    its cosine less the next best one. It is sure if the lead is above that of nearly all random directions
    (random_lead).

    Args:
        embeddings: (N, D) of whole utterances.
        labels: (N,) classes 0 to K-1. No class is empty. K is 2 or more.
        random_share: share of random embeddings that may pass, in (0, 1).
        seed: of the random embeddings.
    """
    points = label_space(embeddings, labels)
    sums, sizes = group_means(points, np.arange(len(points)), labels)
    sums = sums * sizes[:, None]
    means = unit_length(sums)
    best, lead = np.empty(len(points), dtype=np.int64), np.empty(len(points), dtype=np.float32)
    for start in range(0, len(points), CHUNK):
        rows = slice(start, start + CHUNK)
        own, x = labels[rows], points[rows]
        cosines = x @ means.T
        without = unit_length(sums[own] - x)
        cosines[np.arange(len(x)), own] = np.where(sizes[own] > 1, (without * x).sum(1), -1.0)
        best[rows], lead[rows] = _leads(cosines)
    return Predictions(best, lead > random_lead(means, random_share, seed))


def random_lead(means: Array, share: float, seed: int) -> float:
    """The lead that a share of random directions exceeds.

    Args:
        means: (K, D) of unit length.
        share: in (0, 1).
        seed: of the directions.
    """
    drawn = np.random.default_rng(seed).standard_normal((RANDOM, means.shape[1])).astype(np.float32)
    return float(np.quantile(_leads(unit_length(drawn) @ means.T)[1], 1 - share))


@torch.no_grad()
def random_confidence(weights: torch.Tensor, scale: float, temperature: float, share: float, seed: int) -> float:
    """The maximum of p̂ that a share of random embeddings exceeds (see correction_targets).

    With many classes and a sharp p̂, nearly every embedding looks certain. With 7,500 classes, 192 dimensions and
    scale / temperature = 320, 96 % of random embeddings exceed 0.5. If p̂ is so sharp that the result is 1, no label is
    corrected: raise the temperature.

    Args:
        weights: (K, D) of the classes.
        scale: s of AAM-softmax.
        temperature: c of p̂.
        share: in (0, 1).
        seed: of the random embeddings.
    """
    drawn = torch.randn(RANDOM, weights.shape[1], generator=torch.Generator().manual_seed(seed))
    cosines = F.normalize(drawn, dim=-1) @ F.normalize(weights.detach().float().cpu(), dim=-1).T
    confidence = correction_targets(cosines, scale, temperature, hard=False)[1]
    return float(confidence.double().quantile(1 - share))


def label_space(embeddings: Array, labels: Array) -> Array:
    """Embeddings as clusters/search.py sees them in its last pass: (N, D) of unit length.

    The mean is subtracted, lengths are 1, and the covariance within the classes is made the same in all directions.
    """
    unit = unit_length(embeddings, embeddings.mean(0))
    return unit_length(unit @ within_class_whitening(unit, labels))


def _leads(cosines: Array) -> tuple[Array, Array]:
    """The best class of each row, and its cosine less the next best one."""
    best = cosines.argmax(1)
    second, first = np.partition(cosines, -2, axis=1)[:, -2:].T
    return best, first - second
