"""PLDA as the two-covariance model, after LDA, centring and length normalisation.

A vector is x = mu + y + e. All utterances of a speaker share y ~ N(0, B), and each utterance has its own e ~ N(0, W)
(Brümmer and de Villiers, Odyssey 2010; Sizov, Lee, Kinnunen, 2014).

EM is exact. It needs only the number of utterances of each speaker and the sum of their vectors. In the basis where
W = I and B is diagonal, all speakers are updated together, also if they have different numbers of utterances.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..errors import RecipeError
from ..files import load_arrays, save_arrays
from ..vectors import group_means

# Smallest variance of W in a direction, as a share of the mean variance. With fewer vectors than dimensions EM finds
# directions without any within-speaker variance. Scores would be in the millions, and their order would be rounding.
WITHIN_FLOOR = 1e-3


@dataclass
class Plda:
    """A trained model: the vector u = diagonal' (z - mu) of an embedding x has W = I and B = diag(psi).

    Here z = length_normalise(lda' (x - mean) - centre).

    Attributes:
        mean: (D,) mean of the training embeddings.
        lda: (D, d) LDA directions.
        centre: (d,) subtracted after the LDA. It is 0 except for rounding, and kept for other tools.
        diagonal: (d, d) joint diagonalisation of W and B.
        mu: (d,) mean of the length-normalised vectors.
        psi: (d,) between-speaker variances, in units of the within-speaker variances.
    """

    mean: Array
    lda: Array
    centre: Array
    mu: Array
    diagonal: Array
    psi: Array

    def transform(self, x: Array) -> Array:
        """Turn (N, D) embeddings into (N, d) vectors u."""
        return (length_normalise((x - self.mean) @ self.lda - self.centre) - self.mu) @ self.diagonal

    def score_factors(self, enrol: Array, test: Array, counts: Array | None = None) -> tuple[Array, Array]:
        """Two matrices whose inner products are log-likelihood ratios: LLR(i, j) = left[i] · right[j].

        The ratio is a sum over dimensions. Let a = psi. With one enrolment utterance u1 and the test utterance u2, a
        term is ln N([u1 u2]; 0, [[1+a, a], [a, 1+a]]) - ln N(u1; 0, 1+a) - ln N(u2; 0, 1+a).

        With n enrolment utterances, a term is ln N(u2; m, 1+v) - ln N(u2; 0, 1+a). Here N(m, v) is the posterior of the
        speaker given the n utterances: v = a / (1 + n a), m = n v (mean of the n utterances).

        Args:
            enrol: (E, d), the mean of transform over the utterances of each enrolment.
            test: (T, d) from transform.
            counts: (E,) utterances of each enrolment; None = each mean counts as one utterance.

        Returns:
            (E, K) and (T, K) float32. K = d + 2 without counts, 2 d + 1 with counts.
        """
        a = self.psi
        if counts is None:
            square = -0.5 * (a * a / ((1 + a) * (1 + 2 * a)))
            half = 0.25 * np.sum(2 * np.log1p(a) - np.log1p(2 * a))  # half of the constant; each side has one half
            left = [enrol * (a / (1 + 2 * a)), (half + enrol**2 @ square)[:, None], np.ones((len(enrol), 1))]
            right = [test, np.ones((len(test), 1)), (half + test**2 @ square)[:, None]]
        else:
            n = np.asarray(counts, dtype=np.float64)[:, None]
            v = a / (1 + n * a)
            m = n * v * enrol
            own = 0.5 * np.sum(np.log1p(a) - np.log1p(v) - m * m / (1 + v), axis=1, keepdims=True)
            left = [m / (1 + v), own, 0.5 / (1 + a) - 0.5 / (1 + v)]
            right = [test, np.ones((len(test), 1)), test**2]
        return np.concatenate(left, 1).astype(np.float32), np.concatenate(right, 1).astype(np.float32)


class PldaBackend:
    """PLDA as a back-end of scoring (scoring/backends.py).

    Args:
        model: a trained model.
        exact: True = the ratio given all utterances of an enrolment model; False = their mean counts as one utterance.
    """

    def __init__(self, model: Plda, exact: bool):
        self.model, self.exact = model, exact
        self.represent = model.transform
        self.score_factors = model.score_factors

    def enrol(self, vectors: Array, rows: Array, models: Array) -> tuple[Array, Array | None]:
        """The mean over the utterances of each model, and their numbers if the ratio is exact."""
        means, sizes = group_means(vectors, rows, models)
        return means, sizes if self.exact else None

    def cohort(self, vectors: Array, rows: Array, clusters: Array) -> Array:
        """The means of clusters. Each counts as one utterance."""
        return group_means(vectors, rows, clusters)[0]


def length_normalise(x: Array) -> Array:
    """Scale each row to length sqrt(d) (Garcia-Romero and Espy-Wilson, Interspeech 2011)."""
    scaled: Array = x * (np.sqrt(x.shape[1]) / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
    return scaled


def joint_diagonalisation(a: Array, b: Array) -> tuple[Array, Array]:
    """Eigenvalues (d,), rising, and eigenvectors V (d, d) of two symmetric matrices: V' a V is diagonal, V' b V = I.

    Args:
        b: positive definite.
    """
    from scipy.linalg import eigh  # here: its import takes longer than a score, and scores do not need it

    values, vectors = eigh(a, b)
    return values, vectors


def train_plda(x: Array, labels: Array, lda_dim: int, min_class_size: int, iterations: int) -> tuple[Plda, list[float]]:
    """Train LDA and PLDA.

    Args:
        x: (N, D) embeddings.
        labels: (N,) classes.
        lda_dim: d. It is limited to min(D, number of classes - 1).
        min_class_size: classes with fewer vectors are left out.
        iterations: number of EM steps.

    Returns:
        The model, and the mean log-likelihood per vector before each EM step, in nats.

    Raises:
        RecipeError: fewer than two classes are large enough, or no class has two vectors.
    """
    _, labels, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    used = sizes[labels] >= min_class_size
    if len(np.unique(labels[used])) < 2 or sizes[sizes >= min_class_size].max(initial=0) < 2:
        raise RecipeError(
            f"PLDA: {np.sum(sizes >= min_class_size)} classes have {min_class_size} or more utterances, but two are "
            "needed, one of them with two utterances: lower min_class_size, or ask for fewer clusters"
        )
    x = x[used].astype(np.float64)
    _, labels = np.unique(labels[used], return_inverse=True)
    mean = x.mean(0)
    lda = train_lda(x - mean, labels, lda_dim)
    z = (x - mean) @ lda
    centre = z.mean(0)
    z = length_normalise(z - centre)
    mu = z.mean(0)
    between, within, likelihoods = fit_two_covariance(z - mu, labels, iterations)
    psi, diagonal = joint_diagonalisation(between, within)  # diagonal' W diagonal = I, diagonal' B diagonal = psi
    order = np.argsort(-psi)
    return Plda(mean, lda, centre, mu, diagonal[:, order], np.maximum(psi[order], 0.0)), likelihoods


def scatter(x: Array, labels: Array) -> tuple[Array, Array, Array, Array]:
    """Total scatter (D, D) of centred x, class sizes (I,), class sums (I, D), within-class scatter (D, D)."""
    sizes = np.bincount(labels).astype(np.float64)
    order = np.argsort(labels, kind="stable")
    sums = np.add.reduceat(x[order], np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(int), axis=0)
    total = x.T @ x
    return total, sizes, sums, total - (sums / sizes[:, None]).T @ sums


def train_lda(x: Array, labels: Array, dim: int) -> Array:
    """LDA: directions with the largest ratio of between-class to within-class variance.

    Args:
        x: (N, D), centred.
        labels: (N,) 0 to I-1. No class is empty.
        dim: wanted number of directions.

    Returns:
        (D, d) with d = min(dim, D, I - 1), at least 1.
    """
    total, sizes, _, within = scatter(x, labels)
    within = within / len(x)
    # With few utterances `within` is singular. A small share of the total trace on its diagonal makes it regular.
    within[np.diag_indices_from(within)] += 1e-4 * np.trace(total) / total.size**0.5 / len(x)
    _, directions = joint_diagonalisation(total / len(x) - within, within)
    return directions[:, ::-1][:, : max(1, min(dim, x.shape[1], len(sizes) - 1))]


def fit_two_covariance(x: Array, labels: Array, iterations: int) -> tuple[Array, Array, list[float]]:
    """Estimate B and W by EM.

    Args:
        x: (N, d) float64 with mean 0.
        labels: (N,) 0 to I-1. No class is empty.
        iterations: number of EM steps.

    Returns:
        B and W, (d, d) each, and the mean log-likelihood per vector before each step, nats.
    """
    count, d = x.shape
    total, sizes, sums, scatter_within = scatter(x, labels)
    floor = WITHIN_FLOOR * max(np.trace(total) / count / d, 1e-30)
    within = at_least(scatter_within / count, floor)
    means = sums / sizes[:, None]
    between = means.T @ means / len(sizes)
    n = sizes[:, None]
    likelihoods = []
    for _ in range(iterations):
        ratios, basis = joint_diagonalisation(between, within)  # basis' W basis = I, basis' B basis = diag(ratios)
        psi: Array = np.maximum(ratios, 0)
        back = basis.T @ within  # inverse of basis
        s, t = sums @ basis, basis.T @ total @ basis
        covariance = psi / (1 + n * psi)  # of y of every class given its vectors; diagonal
        y = covariance * s  # mean of y given the vectors
        # ln p(vectors of a class) = ln p(vectors with y = 0) + a term from the posterior of y
        without_y = -0.5 * (count * (d * np.log(2 * np.pi) - 2 * np.linalg.slogdet(basis)[1]) + np.trace(t))
        likelihoods.append(float((without_y + 0.5 * np.sum(s * y - np.log1p(n * psi))) / count))
        cross = y.T @ s
        between = (y.T @ y + np.diag(covariance.sum(0))) / len(sizes)
        within = (t - cross - cross.T + (n * y).T @ y + np.diag((n * covariance).sum(0))) / count
        between, within = back.T @ between @ back, back.T @ within @ back
        between, within = 0.5 * (between + between.T), at_least(0.5 * (within + within.T), floor)
    return between, within, likelihoods


def at_least(covariance: Array, floor: float) -> Array:
    """The covariance, (d, d), with a variance of `floor` or more in every direction."""
    variances, directions = np.linalg.eigh(covariance)
    if variances[0] >= floor:
        return covariance
    raised: Array = (directions * np.maximum(variances, floor)) @ directions.T
    return raised


def adapt_plda(model: Plda, x: Array, within: float, between: float, mean_shift: float) -> Plda:
    """Adapt a model to unlabelled embeddings of another domain, as Kaldi's ivector-adapt-plda does.

    In the basis where B + W = I, the model expects the variance 1 in every direction. In a principal direction of the
    new domain with a larger variance, the part above 1 is shared between W and B. Directions with a smaller variance
    are not changed. Both means become those of the new domain (Kaldi, src/ivector/plda.cc, PldaUnsupervisedAdaptor).

    Args:
        model: the model of the old domain.
        x: (N, D) embeddings of the new domain.
        within, between: shares of the part above 1 that go to W and to B.
        mean_shift: weight of the squared shift of the mean, which is added to the covariance of the new domain.

    Raises:
        RecipeError: there are fewer than two embeddings.
    """
    if len(x) < 2:
        raise RecipeError(f"PLDA adaptation: {len(x)} embeddings have no covariance: give thousands of embeddings")
    mean = x.mean(0, dtype=np.float64)
    u = replace(model, mean=mean).transform(x.astype(np.float64))
    shift = u.mean(0)
    # In the basis v, B + W = I.
    to_v = 1 / np.sqrt(1 + model.psi)
    variance, directions = np.linalg.eigh(
        to_v[:, None] * (np.cov(u.T, bias=True).reshape(len(shift), -1) + mean_shift * np.outer(shift, shift)) * to_v
    )
    excess = (directions * np.maximum(variance - 1, 0)) @ directions.T
    psi, basis = joint_diagonalisation(
        np.diag(model.psi * to_v**2) + between * excess, np.diag(to_v**2) + within * excess
    )
    order = np.argsort(-psi)
    diagonal = model.diagonal @ (to_v[:, None] * basis[:, order])
    mu = model.mu + shift @ np.linalg.inv(model.diagonal)
    return replace(model, mean=mean, mu=mu, diagonal=diagonal, psi=np.maximum(psi[order], 0.0))


def save_plda(path: str | Path, model: Plda) -> None:
    """Write all arrays as .npz, with a checksum."""
    save_arrays(vars(model), path)


def load_plda(path: str | Path) -> Plda:
    """Read what save_plda wrote.

    Raises:
        RecipeError: the file is missing, damaged, or not of this recipe.
    """
    try:
        model = Plda(**load_arrays(path))
        (full,), (reduced,) = model.mean.shape, model.psi.shape
        shapes = [array.shape for array in (model.lda, model.centre, model.mu, model.diagonal)]
        if shapes != [(full, reduced), (reduced,), (reduced,), (reduced, reduced)]:
            raise ValueError("its arrays do not go together")
        return model
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such PLDA model: run steps/train_plda.py first") from None
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path}: not a PLDA model of this recipe: {error}: run steps/train_plda.py again") from error
