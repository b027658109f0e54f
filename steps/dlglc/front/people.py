"""Enrolled people: one file, a sum of vectors for each person, and a search among all of them."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..bundles.decision import Decision
from ..bundles.scorer import Scorer
from ..errors import RecipeError
from ..files import check_archive, seal, whole_file
from ..vectors import group_means

PIECE = 1 << 13  # people whose models are computed together


class People:
    """Enrolled people, in the order of their names.

    Attributes:
        bundle: id of the bundle that their recordings were heard with.
        names: (E,) strings.
        sums: (E, d) float32, the sum of each person's vectors in the space of the back-end.
        counts: (E,) int64, their numbers.
    """

    def __init__(self, bundle: str, names: Array, sums: Array, counts: Array):
        self.bundle, self.names, self.sums, self.counts = bundle, names, sums, counts
        self._factors: Array | None = None

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def none(cls, bundle: str, dimension: int) -> "People":
        """Nobody yet.

        Args:
            dimension: d.
        """
        return cls(bundle, np.zeros(0, "U1"), np.zeros((0, dimension), "f4"), np.zeros(0, "i8"))

    @classmethod
    def read(cls, path: Path, bundle: str) -> "People":
        """Read the file that `write` wrote.

        Args:
            bundle: id of the bundle in use.

        Raises:
            RecipeError: the file is missing, damaged, or of another bundle.
        """
        try:
            check_archive(path)
            with np.load(path, allow_pickle=False) as arrays:
                found = cls(str(arrays["bundle"]), arrays["names"], arrays["sums"], arrays["counts"])
            if not found.is_sound():
                raise ValueError("its arrays do not go together, or have something else than finite numbers in them")
        except FileNotFoundError:
            raise RecipeError(f"{path}: no such file: `dlg-lc identify enrol` makes it") from None
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
            raise RecipeError(f"{path}: not a file of enrolled people, or damaged: {error}") from None
        if found.bundle != bundle:
            raise RecipeError(f"{path}: enrolled with bundle {found.bundle}, not {bundle}: enrol with one bundle only")
        return found

    def write(self, path: Path) -> None:
        """Write one .npz."""
        with whole_file(path) as file:
            np.savez(file, bundle=np.array(self.bundle), names=self.names, sums=self.sums, counts=self.counts)
            seal(file)

    def is_sound(self) -> bool:
        """True if there is one finite sum and one number above 0 for each name."""
        shapes = self.names.shape == self.counts.shape == self.sums.shape[:1] and self.sums.ndim == 2
        kinds = self.names.dtype.kind == "U" and self.sums.dtype.kind == "f" and self.counts.dtype.kind == "i"
        return bool(shapes and kinds and np.isfinite(self.sums).all() and (self.counts > 0).all())

    def added(self, names: Sequence[str], vectors: Array) -> "People":
        """With further recordings, of people who are there or not.

        Args:
            names: N, the person of each recording.
            vectors: (N, d) in the space of the back-end.
        """
        of_each = np.concatenate([self.names.astype(str), np.array(names, dtype=str)])
        known, numbers = np.unique(of_each, return_inverse=True)
        counts = np.bincount(numbers, np.concatenate([self.counts, np.ones(len(names), "i8")])).astype("i8")
        together = np.concatenate([self.sums, vectors.astype("f4")])
        means, sizes = group_means(together, np.arange(len(numbers)), numbers)
        return People(self.bundle, known, means * sizes[:, None].astype("f4"), counts)

    def without(self, names: Sequence[str]) -> "People":
        """Without some people.

        Raises:
            RecipeError: one of them is not enrolled.
        """
        missing = sorted(set(names) - set(self.names.tolist()))
        if missing:
            raise RecipeError(f"{', '.join(missing)}: not enrolled: `dlg-lc identify list` shows who is")
        kept = ~np.isin(self.names, list(names))
        return People(self.bundle, self.names[kept], self.sums[kept], self.counts[kept])

    def search(self, scorer: Scorer, vectors: Array, most: int) -> tuple[Array, Array]:
        """The people with the highest scores.

        Args:
            scorer: of the bundle.
            vectors: (T, d) of test recordings.
            most: people for each recording, 1 or more.

        Returns:
            (T, M) rows of people, the best first, and (T, M) their scores. M is `most`, or E if that is less.
        """
        scores = self.scores(scorer, vectors)
        most = min(most, len(self))
        best = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        return best, np.take_along_axis(scores, best, axis=1)

    def scores(self, scorer: Scorer, vectors: Array) -> Array:
        """(T, E) scores of all people. For inner products, the people's side is computed once and kept."""
        if scorer.cohort is not None:
            pieces = range(0, len(self), PIECE)
            models = (scorer.pooled(self.sums[i : i + PIECE], self.counts[i : i + PIECE]) for i in pieces)
            return np.concatenate([scorer.scores(model, vectors).T for model in models], axis=1)
        if self._factors is None:
            self._factors = scorer.enrolment_factors(self.sums, self.counts, PIECE)
        return scorer.test_factors(vectors) @ self._factors.T


def threshold_of_search(decision: Decision, rate: float, count: int) -> tuple[float, bool]:
    """The threshold at which a stranger is taken for somebody at a rate.

    A search compares a recording with everybody, and each comparison can go wrong. So the threshold is that of the rate
    divided by the number of people (Bonferroni).

    Args:
        rate: of strangers who are taken for somebody.
        count: people that are searched.

    Returns:
        The threshold, and whether the pairs of the bundle are too few to know it. It is then that of the lowest rate
        that they show, and strangers are taken for somebody more often.
    """
    single = rate / max(count, 1)
    lowest = float(decision.rates[0])
    return decision.threshold(max(single, lowest)), single < lowest
