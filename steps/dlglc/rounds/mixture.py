"""A two-component Gaussian mixture in one dimension, and the threshold between its components."""

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..errors import RecipeError

BINS = 4096  # EM runs on a histogram: of a million log-losses it keeps the answer to 1e-4 and 1/250 of the work
VARIANCE_FLOOR = 1e-6  # added to each variance, as scikit-learn's reg_covar


@dataclass
class Mixture:
    """Components in the order of their means.

    Attributes:
        weights, means, variances: (2,) float64 each.
        log_likelihood: mean over the samples, nats.
        iterations: EM steps done.
        converged: False when it stopped at the limit.
        dropped: samples left out because they were NaN or infinite.
    """

    weights: Array
    means: Array
    variances: Array
    log_likelihood: float
    iterations: int
    converged: bool
    dropped: int = 0


def fit_mixture(samples: Array, tolerance: float = 1e-7, max_iter: int = 500) -> Mixture:
    """Maximum likelihood by expectation maximisation, from the two halves that 2-means finds; no randomness.

    More than 2 × BINS samples are counted in BINS bins first. A bin stands at the mean of what is in it, so that only
    the spread within bins is lost.

    Args:
        samples: (N,) values; those that are not finite are left out and counted.
        tolerance: stop when the mean log-likelihood gains less than this, nats.
        max_iter: most EM steps.

    Raises:
        RecipeError: fewer than two finite samples.
    """
    samples = np.asarray(samples)
    finite = np.isfinite(samples)
    dropped = len(samples) - int(np.count_nonzero(finite))
    if dropped:
        samples = samples[finite]
    if len(samples) < 2:
        raise RecipeError(
            f"a mixture needs two or more finite values, got {len(samples)}, and {dropped} NaN or infinite"
        )
    low, high = float(samples.min()), float(samples.max())
    if len(samples) > 2 * BINS and high > low:
        bins = ((samples - low) * (BINS / (high - low))).astype(np.int32)
        counts, sums = np.bincount(bins, minlength=BINS), np.bincount(bins, samples, minlength=BINS)
        used = counts > 0
        n = counts[used].astype(np.float64)
        x = sums[used] / n
    else:
        x = np.sort(samples.astype(np.float64))
        n = np.ones(len(x))
    total = n.sum()
    upper = (x > _two_means(x, n)).astype(np.float64)
    if upper.sum() in (0, len(x)):  # all values alike
        upper[:] = 0.5
    responsibility = np.stack([1 - upper, upper])
    previous, converged = -math.inf, False
    for iteration in range(1, max_iter + 1):  # noqa: B007
        mass = responsibility @ n
        weights = mass / total
        means = (responsibility * n) @ x / mass
        variances = ((responsibility * n) * (x - means[:, None]) ** 2).sum(1) / mass + VARIANCE_FLOOR
        log_density = _log_densities(x, weights, means, variances)
        peak = log_density.max(0)
        log_total = peak + np.log(np.exp(log_density - peak).sum(0))
        responsibility = np.maximum(np.exp(log_density - log_total), 1e-300)
        log_likelihood = float(n @ log_total / total)
        if abs(log_likelihood - previous) < tolerance:
            converged = True
            break
        previous = log_likelihood
    order = np.argsort(means)
    return Mixture(weights[order], means[order], variances[order], log_likelihood, iteration, converged, dropped)


def crossing(mixture: Mixture) -> tuple[float | None, bool]:
    """Where, on the way up, the upper component's weighted density overtakes the lower one's.

    w1 N(x; m1, s1²) = w2 N(x; m2, s2²) is a quadratic in x (linear for equal variances). Of its roots only one at which
    the posterior of the upper component rises through 0.5 can part small values from large ones.

    Returns:
        the root or None, and whether it lies between the two means (a root beyond the upper mean is a makeshift: both
        components overlap so much that the lower one is still the likelier at the upper one's mean).
    """
    (w1, w2), (m1, m2), (v1, v2) = mixture.weights, mixture.means, mixture.variances
    if min(w1, w2) <= 0 or m1 == m2:
        return None, False
    a = 0.5 / v1 - 0.5 / v2
    b = m2 / v2 - m1 / v1
    c = m1 * m1 / (2 * v1) - m2 * m2 / (2 * v2) + math.log(w2 / w1) + 0.5 * math.log(v1 / v2)
    # a x² + b x + c is ln(w2 N2) - ln(w1 N1)
    if abs(a) < 1e-12 * (0.5 / v1 + 0.5 / v2):
        roots = [-c / b]
    else:
        discriminant = b * b - 4 * a * c
        if discriminant < 0:
            return None, False
        q = -0.5 * (b + math.copysign(math.sqrt(discriminant), b))
        roots = [q / a] + ([c / q] if q else [])
    rising = [r for r in roots if 2 * a * r + b > 0 and r > m1]
    if not rising:
        return None, False
    root = min(rising)
    return float(root), bool(root < m2)


def _log_densities(x: Array, weights: Array, means: Array, variances: Array) -> Array:
    """ln(w_k N(x; m_k, v_k)) as (2, N)."""
    w, m, v = (p[:, None] for p in (weights, means, variances))
    log_density: Array = np.log(np.maximum(w, 1e-300)) - 0.5 * (np.log(2 * np.pi * v) + (x - m) ** 2 / v)
    return log_density


def _two_means(x: Array, n: Array) -> float:
    """The boundary of 2-means on sorted, weighted values, exact: the split of least within-sum-of-squares."""
    mass, first = np.cumsum(n)[:-1], np.cumsum(n * x)[:-1]
    total_mass, total_first = n.sum(), n @ x
    if len(mass) == 0:
        return float(x[0])
    between = first**2 / mass + (total_first - first) ** 2 / (total_mass - mass)
    split = int(np.argmax(between))
    return float(0.5 * (x[split] + x[split + 1]))
