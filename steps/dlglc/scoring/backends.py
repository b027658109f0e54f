"""Back-ends of scoring. Each turns embeddings into vectors whose inner products are scores.

scoring/plda.py writes the ratios of PLDA in this form too. So cosine and PLDA share the code for trial lists, cohorts
and score normalisation.
"""

from typing import Protocol

import numpy as np

from ..arrays import Array
from ..vectors import group_means, total_whitening, unit_length


class Backend(Protocol):
    """The interface of a back-end."""

    def represent(self, x: Array) -> Array:
        """Turn (N, D) embeddings into (N, d) vectors in the space of the back-end."""

    def enrol(self, vectors: Array, rows: Array, models: Array) -> tuple[Array, Array | None]:
        """Make models of one or more utterances.

        Args:
            vectors: (N, d) from represent.
            rows, models: (M,) int. Utterance vectors[rows[i]] belongs to model models[i], 0 to E-1. Every model has an
                utterance.

        Returns:
            (E, d) vectors, and (E,) numbers of utterances if the scores depend on them, else None.
        """

    def score_factors(self, enrol: Array, test: Array, counts: Array | None) -> tuple[Array, Array]:
        """Two matrices whose inner products are the scores.

        Args:
            enrol, test: (E, d) and (T, d) vectors.
            counts: (E,) numbers of utterances from enrol(), or None.

        Returns:
            (E, K) and (T, K).
        """

    def cohort(self, vectors: Array, rows: Array, clusters: Array) -> Array:
        """(C, d) means of clusters, as members of a cohort. The arguments are those of enrol()."""


class Cosine:
    """Cosine scoring: a mean is subtracted first, and the space can be whitened.

    Args:
        others: (N, D) unlabelled embeddings for the mean and for the whitening; None = neither of both.
        whiten: each direction is divided by its variance to this power; 0 = no whitening, 0.5 = full whitening.
    """

    def __init__(self, others: Array | None = None, whiten: float = 0.0):
        if whiten and others is None:
            raise ValueError("whitening is learned on embeddings: give some")
        self.mean = None if others is None else others.mean(0)
        self.white = total_whitening(others, whiten) if whiten and others is not None else None

    @classmethod
    def of(cls, mean: Array, white: Array | None) -> "Cosine":
        """With a mean (D,) and a whitening (D, D) that were learned before."""
        made = cls()
        made.mean, made.white = mean, white
        return made

    def represent(self, x: Array) -> Array:
        """Unit vectors."""
        return unit_length(x, self.mean) if self.white is None else unit_length((x - self.mean) @ self.white)

    def enrol(self, vectors: Array, rows: Array, models: Array) -> tuple[Array, None]:
        """The mean direction of the utterances of each model."""
        return unit_length(group_means(vectors, rows, models)[0]), None

    def score_factors(self, enrol: Array, test: Array, counts: Array | None) -> tuple[Array, Array]:
        """The unit vectors themselves."""
        return enrol, test

    def cohort(self, vectors: Array, rows: Array, clusters: Array) -> Array:
        """The mean directions of clusters."""
        return self.enrol(vectors, rows, clusters)[0]


def dot_trials(enrol: Array, test: Array, rows: Array, columns: Array, chunk: int = 4096) -> Array:
    """Inner product of enrol[rows[i]] and test[columns[i]] for every trial i.

    Args:
        enrol, test: (N, D) and (M, D).
        rows, columns: (T,) row numbers.
        chunk: trials that are computed together.

    Returns:
        (T,) float32.
    """
    scores = np.empty(len(rows), dtype=np.float32)
    enrol, test = np.ascontiguousarray(enrol), np.ascontiguousarray(test)  # else take() copies them for every chunk
    for start in range(0, len(rows), chunk):
        part = slice(start, start + chunk)
        # take() fetches whole rows, in three quarters of the time of enrol[rows].
        left, right = enrol.take(rows[part], axis=0), test.take(columns[part], axis=0)
        scores[part] = np.einsum("td,td->t", left, right)
    return scores
