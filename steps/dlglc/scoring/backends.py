"""Back-ends of scoring. Each turns embeddings into vectors whose inner products are scores.

So cosine and PLDA (whose ratios scoring/plda.py writes in that form) share trial lists, cohorts and normalisation.
"""

from typing import Protocol

import numpy as np

from ..arrays import Array
from ..vectors import group_means, total_whitening, unit_length


class Backend(Protocol):
    """What scoring needs of a back-end."""

    def represent(self, x: Array) -> Array:
        """(N, D) embeddings to (N, d) vectors of the back-end's own space."""

    def enrol(self, vectors: Array, rows: Array, models: Array) -> tuple[Array, Array | None]:
        """Models of one or more utterances.

        Args:
            vectors: (N, d) from represent.
            rows, models: (M,) utterance vectors[rows[i]] belongs to model models[i], 0 to E-1, none without any.

        Returns:
            (E, d) vectors, and (E,) numbers of utterances where the scores depend on them, else None.
        """

    def score_factors(self, enrol: Array, test: Array, counts: Array | None) -> tuple[Array, Array]:
        """(E, K) and (T, K) whose inner products are the scores; counts from enrol()."""

    def cohort(self, vectors: Array, rows: Array, clusters: Array) -> Array:
        """(C, d) means of clusters, as members of a cohort; rows and clusters as in enrol()."""


class Cosine:
    """Cosine of embeddings less a mean, in a whitened space if asked for.

    Args:
        others: (N, D) unlabelled embeddings, for the mean that is subtracted and for whitening; None = neither.
        whiten: power of the variance that each direction is divided by; 0 = none, 0.5 = full.
    """

    def __init__(self, others: Array | None = None, whiten: float = 0.0):
        if whiten and others is None:
            raise ValueError("whitening is learned on embeddings: give some")
        self.mean = None if others is None else others.mean(0)
        self.white = total_whitening(others, whiten) if whiten and others is not None else None

    def represent(self, x: Array) -> Array:
        """Unit vectors."""
        return unit_length(x, self.mean) if self.white is None else unit_length((x - self.mean) @ self.white)

    def enrol(self, vectors: Array, rows: Array, models: Array) -> tuple[Array, None]:
        """The mean direction of each model's utterances."""
        return unit_length(group_means(vectors, rows, models)[0]), None

    def score_factors(self, enrol: Array, test: Array, counts: Array | None) -> tuple[Array, Array]:
        """The vectors themselves."""
        return enrol, test

    def cohort(self, vectors: Array, rows: Array, clusters: Array) -> Array:
        """Mean directions."""
        return self.enrol(vectors, rows, clusters)[0]


def dot_trials(enrol: Array, test: Array, rows: Array, columns: Array, chunk: int = 4096) -> Array:
    """Inner product of enrol[rows[i]] and test[columns[i]] for every trial i.

    Args:
        enrol, test: (N, D) and (M, D).
        rows, columns: (T,) row numbers.

    Returns:
        (T,) float32.
    """
    scores = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), chunk):
        part = slice(start, start + chunk)
        scores[part] = np.einsum("td,td->t", enrol[rows[part]], test[columns[part]])
    return scores
