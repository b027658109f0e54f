"""The back-end of a bundle: embeddings to scores."""

from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..scoring.backends import Backend, Cosine, dot_trials
from ..scoring.cohort import as_norm, cohort_statistics
from ..scoring.plda import Plda, PldaBackend
from ..vectors import group_means, unit_length

BACKENDS = {
    "plda": "log-likelihood ratio of PLDA",
    "asnorm": "cosine, normalised by the cohort (AS-norm)",
    "cosine": "cosine",
}


class Models(NamedTuple):
    """People that test recordings are compared with.

    Attributes:
        vectors: (E, d) in the space of the back-end.
        counts: (E,) recordings of each, if the scores depend on them, else None.
    """

    vectors: Array
    counts: Array | None


class Scorer:
    """Scores of embeddings by the arrays of a bundle.

    Args:
        backend: plda, asnorm or cosine.
        arrays: `mean` (D,), `white` (D, D; may be absent), `cohort` (C, D), and `plda_<name>` for each array of a Plda.
        top: members of the cohort that count in AS-norm; 0 = all.
        exact: PLDA takes the recordings of a person as independent (`plda_enrolment` in conf/backend.yaml).
    """

    def __init__(self, backend: str, arrays: dict[str, Any], top: int, exact: bool):
        self.space: Backend = Cosine.of(arrays["mean"], arrays.get("white"))
        if backend == "plda":
            model = Plda(**{name.removeprefix("plda_"): a for name, a in arrays.items() if name.startswith("plda_")})
            self.space = PldaBackend(model, exact)
        self.cohort: Array | None = self.space.represent(arrays["cohort"]) if backend == "asnorm" else None
        self.top = top
        self.made_of = (backend, arrays, top, exact)

    def centred(self, mean: Array) -> "Scorer":
        """The same back-end, measured from another mean (D,)."""
        backend, arrays, top, exact = self.made_of
        means = {"mean": mean} | ({"plda_mean": mean} if backend == "plda" else {})
        return Scorer(backend, arrays | means, top, exact)

    @property
    def plda(self) -> Plda | None:
        """The model of the back-end PLDA; None if it is another."""
        return self.space.model if isinstance(self.space, PldaBackend) else None

    def with_plda(self, model: Plda) -> "Scorer":
        """The same back-end with another PLDA."""
        backend, arrays, top, exact = self.made_of
        kept = {name: array for name, array in arrays.items() if not name.startswith("plda_")}
        return Scorer(backend, kept | {f"plda_{name}": array for name, array in vars(model).items()}, top, exact)

    def represent(self, embeddings: Array) -> Array:
        """(N, D) embeddings to (N, d) float32 vectors in the space of the back-end."""
        return self.space.represent(embeddings).astype(np.float32)

    def enrol(self, vectors: Array, people: Array) -> Models:
        """One model for each person.

        Args:
            vectors: (N, d) from represent.
            people: (N,) number of the person that each is of, 0 to E-1.
        """
        return Models(*self.space.enrol(vectors, np.arange(len(vectors)), people))

    def pooled(self, sums: Array, counts: Array) -> Models:
        """The models of people whose vectors were added up before.

        Args:
            sums: (E, d) sum of each person's vectors.
            counts: (E,) their numbers.
        """
        means = sums / counts[:, None].astype(sums.dtype)
        if isinstance(self.space, PldaBackend):
            return Models(means, counts if self.space.exact else None)
        return Models(unit_length(means), None)

    def enrolment_factors(self, sums: Array, counts: Array, piece: int) -> Array:
        """(E, K) float32. Scores without a cohort are their inner products with test_factors.

        Args:
            sums, counts: as pooled takes them.
            piece: people that are computed together, so that little memory is needed.
        """
        factors = np.zeros((len(sums), self.test_factors(sums[:1]).shape[1]), dtype=np.float32)
        for start in range(0, len(sums), piece):
            models = self.pooled(sums[start : start + piece], counts[start : start + piece])
            factors[start : start + piece] = self.space.score_factors(models.vectors, sums[:1], models.counts)[0]
        return factors

    def test_factors(self, vectors: Array) -> Array:
        """(T, K) float32 of test vectors (T, d), see enrolment_factors."""
        counts = np.ones(1) if isinstance(self.space, PldaBackend) and self.space.exact else None
        return self.space.score_factors(vectors[:1], vectors, counts)[1].astype(np.float32)

    def scores(self, models: Models, test: Array) -> Array:
        """(E, T) scores of people and test vectors (T, d)."""
        left, right = self.space.score_factors(models.vectors, test, models.counts)
        rows, columns = np.arange(len(left))[:, None], np.arange(len(right))[None]
        return self.normalised(left @ right.T, models, test, rows, columns)

    def trials(self, vectors: Array, rows: Array, columns: Array) -> Array:
        """(T,) scores of pairs of single recordings.

        Args:
            vectors: (N, d) from represent.
            rows, columns: (T,) int, the recordings of both sides.
        """
        models = self.enrol(vectors, np.arange(len(vectors)))
        factors = self.space.score_factors(models.vectors, vectors, models.counts)
        return self.normalised(dot_trials(*factors, rows, columns), models, vectors, rows, columns)

    def normalised(self, scores: Array, models: Models, test: Array, rows: Array, columns: Array) -> Array:
        """AS-norm where the back-end has it. `scores` is of models[rows] and test[columns]."""
        if self.cohort is None:
            return scores
        top = self.top if self.top < len(self.cohort) else 0
        enrol_statistics = cohort_statistics(*self.space.score_factors(models.vectors, self.cohort, None), top)
        test_statistics = cohort_statistics(*self.space.score_factors(test, self.cohort, None), top)
        return as_norm(scores, enrol_statistics, test_statistics, rows, columns)

    def pairs(self, vectors: Array) -> Array:
        """(N, N) scores of all pairs of single recordings."""
        return self.scores(self.enrol(vectors, np.arange(len(vectors))), vectors)


def cohort_of(embeddings: Array, clusters: Array, most: int) -> Array:
    """(C, D) mean embeddings of the largest clusters.

    Args:
        embeddings: (N, D) of the training set.
        clusters: (N,) cluster of each, 0 to K-1.
        most: of the C.
    """
    means, sizes = group_means(embeddings, np.arange(len(embeddings)), clusters)
    largest = np.sort(np.argsort(-sizes, kind="stable")[:most])
    kept: Array = means[largest].astype(np.float32)
    return kept
