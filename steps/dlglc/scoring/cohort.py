"""Score normalisation against a cohort: S-norm and AS-norm."""

from multiprocessing.pool import ThreadPool

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from ..arrays import Array

TILE = 1 << 23  # scores that a thread has in memory: 32 MB
SAMPLE = 16  # of so many scores, one tells about how high the highest are


def cohort_statistics(x: Array, cohort: Array, top: int) -> tuple[Array, Array]:
    """Mean and standard deviation of the scores of each vector against a cohort.

    Args:
        x, cohort: (N, D) and (M, D). Scores are their inner products.
        top: number of highest scores that count (AS-norm), at most M. 0 or M = all scores count (S-norm), and the
            result is computed from the moments of the cohort.

    Returns:
        (N,) means and (N,) standard deviations, float32.
    """
    if top in (0, len(cohort)):
        centre = cohort.mean(0, dtype=np.float64)
        spread = np.cov(cohort.T.astype(np.float64), bias=True)
        variance = np.einsum("nd,nd->n", x @ np.atleast_2d(spread), x)
        return (x @ centre).astype(np.float32), _deviation(variance)
    mean, deviation = np.empty(len(x), dtype=np.float32), np.empty(len(x), dtype=np.float32)
    rows = max(1, TILE // len(cohort))

    def tile(start: int) -> None:
        best = highest(x[start : start + rows] @ cohort.T, top)
        mean[start : start + rows] = best.mean(1)
        deviation[start : start + rows] = _deviation(best.var(1))

    # Each thread computes a tile. BLAS threads would share the product only, and the selection takes as much time.
    threads = max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    with threadpool_limits(1, "blas"), ThreadPool(threads) as pool:
        pool.map(tile, range(0, len(x), rows), chunksize=1)
    return mean, deviation


def highest(scores: Array, top: int) -> Array:
    """The highest scores of each row of (N, M), sorted, (N, top). Sorted, their sum is always rounded the same way.

    A sample of each row gives a score that about twice as many scores exceed as are wanted. Only these few are sorted.
    Where they are fewer than `top`, the whole row is.
    """
    sample = np.ascontiguousarray(scores[:, ::SAMPLE])
    place = max(0, sample.shape[1] - int(1.6 * top / SAMPLE) - 8)
    sample.partition(place, axis=1)
    best = np.empty((len(scores), top), dtype=scores.dtype)
    for row, least, out in zip(scores, sample[:, place], best):
        few = row.compress(row >= least)
        out[:] = np.sort(few if len(few) >= top else row)[-top:]
    return best


def _deviation(variance: Array) -> Array:
    """Square root, at least 1e-6: with a cohort of equal scores nothing is divided by zero."""
    deviation: Array = np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32)
    return deviation


def as_norm(
    scores: Array,
    enrol_statistics: tuple[Array, Array],
    test_statistics: tuple[Array, Array],
    rows: Array,
    columns: Array,
) -> Array:
    """Adaptive symmetric score normalisation (Matejka et al., Interspeech 2017, AS-norm1); S-norm with all the cohort.

    s' = ((s - mu_e) / sigma_e + (s - mu_t) / sigma_t) / 2, statistics over each side's own closest cohort members.
    """
    (enrol_mean, enrol_deviation), (test_mean, test_deviation) = enrol_statistics, test_statistics
    normalised: Array = 0.5 * (
        (scores - enrol_mean[rows]) / enrol_deviation[rows] + (scores - test_mean[columns]) / test_deviation[columns]
    )
    return normalised
