"""Scoring back-ends on embedding matrices: cosine, S-norm and AS-norm, in chunks of bounded memory.

Every score here is an inner product of a vector for the enrolment side with one for the test side, so that cosine and
PLDA (whose ratios libs/plda.py writes in that form) share what follows.
"""

import numpy as np

ROWS, COLUMNS = 1024, 20480  # tile of scores against a cohort: 84 MB


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

    Args:
        x, cohort: (N, D) and (M, D); scores are their inner products.
        top: the highest scores alone (AS-norm), at most M; 0 or M = all of them (S-norm), from the cohort's moments.
        rows, columns: tile of scores held at once.

    Returns:
        (N,) means and (N,) standard deviations, float32.
    """
    if top in (0, len(cohort)):
        centre = cohort.mean(0, dtype=np.float64)
        spread = np.cov(cohort.T.astype(np.float64), bias=True)
        variance = np.einsum("nd,nd->n", x @ np.atleast_2d(spread), x)
        return (x @ centre).astype(np.float32), _deviation(variance)
    mean, deviation = np.empty(len(x), dtype=np.float32), np.empty(len(x), dtype=np.float32)
    columns = max(columns, top)
    tile = np.empty(min(rows, len(x)) * min(columns, len(cohort)), dtype=np.result_type(x, cohort))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        best = None
        for first in range(0, len(cohort), columns):
            block = cohort[first : first + columns]
            scores = np.matmul(part, block.T, out=tile[: len(part) * len(block)].reshape(len(part), len(block)))
            best = _highest(scores, top) if best is None else _merge(best, scores)
        mean[start : start + rows] = best.mean(1)
        deviation[start : start + rows] = _deviation(best.var(1))
    return mean, deviation


def _deviation(variance: np.ndarray) -> np.ndarray:
    """Square root, of at least 1e-6: a cohort of equal scores must not divide by zero."""
    return np.sqrt(np.maximum(variance, 1e-12)).astype(np.float32)


def _highest(scores: np.ndarray, top: int) -> np.ndarray:
    """The `top` highest of each row, rising.

    A full selection costs more than the scores themselves. A sample of each row gives a bound that nearly always keeps
    a few more than `top`; the few rows where it keeps fewer are selected in full.
    """
    width = scores.shape[1]
    sample = scores[:, :: max(1, width // 500)]
    expected = top * sample.shape[1] / width
    keep = int(expected + 4 * np.sqrt(expected)) + 1
    if 4 * keep > sample.shape[1]:
        return np.sort(np.partition(scores, width - top, axis=1)[:, width - top :], axis=1)
    pool, counts = _reaching(scores, np.partition(sample, sample.shape[1] - keep, axis=1)[:, sample.shape[1] - keep])
    best = np.full((len(scores), top), -np.inf, dtype=scores.dtype)
    taken = min(top, pool.shape[1])
    best[:, top - taken :] = np.sort(pool, axis=1)[:, pool.shape[1] - taken :]
    short = counts < top
    best[short] = np.sort(scores[short], axis=1)[:, width - top :]
    return best


def _merge(best: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The highest of each row of `best` and `scores`, rising; as many as `best` has."""
    pool, _ = _reaching(scores, best[:, 0])
    return np.sort(np.concatenate([best, pool], axis=1), axis=1)[:, pool.shape[1] :]


def _reaching(scores: np.ndarray, bound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scores of each row that reach its bound, padded with -inf to one width, and their numbers."""
    found = np.flatnonzero(scores >= bound[:, None])
    counts = np.diff(np.searchsorted(found, np.arange(len(scores) + 1) * scores.shape[1]))
    pool = np.full((len(scores), counts.max()), -np.inf, dtype=scores.dtype)
    pool[np.arange(counts.max()) < counts[:, None]] = scores.ravel()[found]
    return pool, counts


def as_norm(scores: np.ndarray, enrol_statistics, test_statistics, rows, columns) -> np.ndarray:
    """Adaptive symmetric score normalisation (Matejka et al., Interspeech 2017, AS-norm1); S-norm with all the cohort.

    s' = ((s - mu_e) / sigma_e + (s - mu_t) / sigma_t) / 2, statistics over each side's own closest cohort members.
    """
    (enrol_mean, enrol_deviation), (test_mean, test_deviation) = enrol_statistics, test_statistics
    return 0.5 * (
        (scores - enrol_mean[rows]) / enrol_deviation[rows] + (scores - test_mean[columns]) / test_deviation[columns]
    )
