"""A two-component Gaussian mixture in one dimension, and the threshold between its components."""

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..errors import RecipeError

# EM runs on a histogram. For a million log-losses, the histogram changes the result by 1e-4 and the work to 1/250.
BINS = 4096
VARIANCE_FLOOR = 1e-6  # added to each variance, like reg_covar of scikit-learn


@dataclass
class Mixture:
    """A fitted mixture. Its components are in the order of their means.

    Attributes:
        weights, means, variances: (2,) float64 each.
        log_likelihood: mean over the samples, nats.
        iterations: number of EM steps.
        converged: False if EM stopped at the limit of steps.
        dropped: number of samples that were left out because they were NaN or infinite.
    """

    weights: Array
    means: Array
    variances: Array
    log_likelihood: float
    iterations: int
    converged: bool
    dropped: int = 0


def fit_mixture(samples: Array, tolerance: float = 1e-7, max_iter: int = 500) -> Mixture:
    """Fit a mixture by expectation maximisation (EM). It starts from the two clusters of 2-means, so nothing is random.

    More than 2 × BINS samples are first counted in BINS bins. The value of a bin is the mean of its samples, so that
    only the variance within bins is lost.

    Args:
        samples: (N,) values. Values that are not finite are left out and counted.
        tolerance: stop when the mean log-likelihood rises by less than this, nats.
        max_iter: most EM steps.

    Raises:
        RecipeError: there are fewer than two finite samples.
    """
    samples = np.asarray(samples)
    finite = np.isfinite(samples)
    dropped = len(samples) - int(np.count_nonzero(finite))
    if dropped:
        samples = samples[finite]
    if len(samples) < 2:
        raise RecipeError(
            f"a mixture needs two or more finite values, but there are {len(samples)}, and {dropped} NaN or infinite"
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
    if upper.sum() in (0, len(x)):  # all values are equal
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
    """The value at which the weighted density of the upper component exceeds that of the lower one.

    w1 N(x; m1, s1²) = w2 N(x; m2, s2²) is a quadratic equation in x (linear for equal variances). Only a root at which
    the posterior of the upper component rises through 0.5 separates small values from large ones.

    Returns:
        The root or None, and whether the root lies between the two means. If the root lies above the upper mean, the
        components overlap very much: the lower component is the more probable one even at the upper mean.
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
    """The boundary between the two clusters of 2-means: the split with the smallest sum of squares within the parts.

    Args:
        x: (N,) sorted values.
        n: (N,) weights.
    """
    mass, first = np.cumsum(n)[:-1], np.cumsum(n * x)[:-1]
    total_mass, total_first = n.sum(), n @ x
    if len(mass) == 0:
        return float(x[0])
    between = first**2 / mass + (total_first - first) ** 2 / (total_mass - mass)
    split = int(np.argmax(between))
    return float(0.5 * (x[split] + x[split + 1]))
