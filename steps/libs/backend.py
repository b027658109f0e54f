"""Scoring back-ends on embedding matrices: cosine and adaptive score normalisation, in chunks of bounded memory."""

import numpy as np


def unit_length(x: np.ndarray, mean: np.ndarray | None = None) -> np.ndarray:
    """Rows of (N, D) less `mean`, at length 1."""
    if mean is not None:
        x = x - mean
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


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


def cohort_statistics(x: np.ndarray, cohort: np.ndarray, top: int, chunk: int = 1024) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each embedding's `top` highest scores against a cohort.

    Args:
        x, cohort: (N, D) and (M, D) of unit length.
        top: n of AS-norm, at most M.

    Returns:
        (N,) means and (N,) standard deviations.
    """
    mean, deviation = np.empty(len(x), dtype=np.float32), np.empty(len(x), dtype=np.float32)
    for start in range(0, len(x), chunk):
        scores = x[start : start + chunk] @ cohort.T
        highest = np.partition(scores, len(cohort) - top, axis=1)[:, len(cohort) - top :]
        mean[start : start + chunk] = highest.mean(1)
        deviation[start : start + chunk] = highest.std(1)
    return mean, np.maximum(deviation, 1e-6)


def as_norm(scores: np.ndarray, enrol_statistics, test_statistics, rows, columns) -> np.ndarray:
    """Adaptive symmetric score normalisation (Matejka et al., Interspeech 2017, AS-norm1).

    s' = ((s - mu_e) / sigma_e + (s - mu_t) / sigma_t) / 2, statistics over each side's own closest cohort members.
    """
    (enrol_mean, enrol_deviation), (test_mean, test_deviation) = enrol_statistics, test_statistics
    return 0.5 * (
        (scores - enrol_mean[rows]) / enrol_deviation[rows] + (scores - test_mean[columns]) / test_deviation[columns]
    )
