"""Scoring back-ends on embedding matrices: cosine, S-norm and AS-norm, in chunks of bounded memory.

Every score here is an inner product of a vector for the enrolment side with one for the test side, so that cosine and
PLDA (whose ratios libs/plda.py writes in that form) share what follows.
"""

from multiprocessing.pool import ThreadPool

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

ROWS, COLUMNS = 1024, 2048  # tile of scores against a cohort: 8 MB


def unit_length(x: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
    """Rows of (N, D) less `mean`, at length 1."""
    if mean is not None:
        x = x - mean
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def group_means(x: np.ndarray, rows: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean vector of each group.

    Args:
        x: (N, D).
        rows, groups: (M,) row x[rows[i]] belongs to group groups[i], 0 to G-1, none of them empty.

    Returns:
        (G, D) means and (G,) sizes.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    return np.add.reduceat(x[rows[order]], starts, axis=0) / sizes[:, None].astype(x.dtype), sizes


def dot_trials(
    enrol: np.ndarray, test: np.ndarray, rows: np.ndarray, columns: np.ndarray, chunk: int = 4096
) -> np.ndarray:
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


def cohort_statistics(
    x: np.ndarray, cohort: np.ndarray, top: int, rows: int = ROWS, columns: int = COLUMNS
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each vector's scores against a cohort.

    The threads that the matrix product would have take a tile each, so that what follows the product is shared as well.

    Args:
        x, cohort: (N, D) and (M, D); scores are their inner products.
        top: the highest scores alone (AS-norm), at most M; 0 or M = all of them (S-norm), from the cohort's moments.
        rows, columns: tile of scores that a thread holds at once; rows below 65536.

    Returns:
        (N,) means and (N,) standard deviations, float32.
    """
    if top in (0, len(cohort)):
        centre = cohort.mean(0, dtype=np.float64)
        spread = np.cov(cohort.T.astype(np.float64), bias=True)
        variance = np.einsum("nd,nd->n", x @ np.atleast_2d(spread), x)
        return (x @ centre).astype(np.float32), _deviation(variance)
    mean, deviation = np.empty(len(x), dtype=np.float32), np.empty(len(x), dtype=np.float32)
    cohort = cohort[np.random.default_rng(0).permutation(len(cohort))]

    def tile(start: int) -> None:
        best = _highest(x[start : start + rows], cohort, top, columns)
        mean[start : start + rows] = best.mean(1)
        deviation[start : start + rows] = _deviation(best.var(1))

    threads = max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    with threadpool_limits(1, "blas"), ThreadPool(threads) as pool:
        pool.map(tile, range(0, len(x), rows), chunksize=1)
    return mean, deviation


def _deviation(variance: np.ndarray) -> np.ndarray:
    """Square root, of at least 1e-6: a cohort of equal scores must not divide by zero."""
    return np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32)


def _highest(x: np.ndarray, cohort: np.ndarray, top: int, columns: int) -> np.ndarray:
    """The `top` highest of each row of x · cohort', rising, `cohort` in random order.

    A full selection costs as much as the scores themselves. Here the members seen so far give each row a bound, which
    nearly always lets through a few more than `top`; the few rows where it lets through fewer are selected in full.
    """
    width = 512 * -(-top // 350)  # a row's pool; numpy sorts rows of up to 512 in a third of the time of longer ones
    if len(cohort) < 2 * width:
        return _select(x @ cohort.T, top)
    pool = np.sort(x @ cohort[:width].T, axis=1)
    tile, mask = np.empty(len(x) * columns, dtype=pool.dtype), np.empty(len(x) * columns, dtype=bool)
    bound, redo = np.full((len(x), 1), -np.inf, dtype=pool.dtype), np.zeros(len(x), dtype=bool)
    seen = width
    while seen < len(cohort):
        share = seen / len(cohort)
        keep = min(top, int(top * share + 4 * np.sqrt(top * share * (1 - share))) + 1)
        bound = np.maximum(bound, pool[:, width - keep, None])
        # What lies below the bound in the pool may be overwritten.
        used = np.zeros(len(x), dtype=np.int64)
        until = min(4 * seen, len(cohort))
        for first in range(seen, until, columns):
            block = cohort[first : min(first + columns, until)]
            shape, size = (len(x), len(block)), len(x) * len(block)
            scores = np.matmul(x, block.T, out=tile[:size].reshape(shape))
            found = np.flatnonzero(np.greater_equal(scores, bound, out=mask[:size].reshape(shape)))
            counts = np.diff(np.searchsorted(found, np.arange(len(x) + 1) * len(block)))
            crowded = used + counts > width - keep
            if crowded.any():
                redo |= crowded
                found = found[~np.repeat(crowded, counts)]
                counts[crowded] = 0
            begin = np.arange(len(x)) * width + used - (np.cumsum(counts) - counts)
            pool.ravel()[np.arange(len(found)) + np.repeat(begin, counts)] = scores.ravel()[found]
            used += counts
        pool.sort(axis=1)
        seen = until
    best = pool[:, width - top :]
    redo |= best[:, 0] < bound[:, 0]
    best[redo] = _select(x[redo] @ cohort.T, top)
    return best


def _select(scores: np.ndarray, top: int) -> np.ndarray:
    return np.sort(scores, axis=1)[:, scores.shape[1] - top :]


def as_norm(scores: np.ndarray, enrol_statistics, test_statistics, rows, columns) -> np.ndarray:
    """Adaptive symmetric score normalisation (Matejka et al., Interspeech 2017, AS-norm1); S-norm with all the cohort.

    s' = ((s - mu_e) / sigma_e + (s - mu_t) / sigma_t) / 2, statistics over each side's own closest cohort members.
    """
    (enrol_mean, enrol_deviation), (test_mean, test_deviation) = enrol_statistics, test_statistics
    return 0.5 * (
        (scores - enrol_mean[rows]) / enrol_deviation[rows] + (scores - test_mean[columns]) / test_deviation[columns]
    )
