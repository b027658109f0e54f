"""PLDA as the two-covariance model, after LDA, centring and length normalisation.

x = mu + y + e with y ~ N(0, B) shared by a speaker's utterances and e ~ N(0, W) (Brümmer and de Villiers, Odyssey 2010;
Sizov, Lee, Kinnunen, 2014). EM is exact; a speaker enters only through his number of utterances and their sum, so
speakers with equally many utterances share one matrix inverse.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from .cli import RecipeError


@dataclass
class Plda:
    """A trained back-end: u = diagonal' · unit(lda' · (x - mean) - centre) has W = I and B = diag(psi).

    Attributes:
        mean: (D,) of the training embeddings.
        lda: (D, d).
        centre: (d,) subtracted after the LDA; 0 but for rounding, kept for other tools.
        diagonal: (d, d) joint diagonalisation of W and B, applied to (z - mu).
        mu: (d,) mean of the length-normalised vectors.
        psi: (d,) between-speaker variances where the within-speaker ones are 1.
    """

    mean: np.ndarray
    lda: np.ndarray
    centre: np.ndarray
    mu: np.ndarray
    diagonal: np.ndarray
    psi: np.ndarray

    def transform(self, x: np.ndarray) -> np.ndarray:
        """(N, D) embeddings to (N, d) vectors u."""
        return (length_normalise((x - self.mean) @ self.lda - self.centre) - self.mu) @ self.diagonal

    def score_parts(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood ratios as inner products: LLR(i, j) = own[i] + own[j] + weighted[i] · u[j].

        Per dimension, with a = psi: ln N([u1 u2]; 0, [[1+a, a], [a, 1+a]]) - ln N(u1; 0, 1+a) - ln N(u2; 0, 1+a).

        Returns:
            own (N,), which holds half of the constant, and weighted (N, d).
        """
        a = self.psi
        constant = 0.25 * np.sum(2 * np.log1p(a) - np.log1p(2 * a))
        own = constant - 0.5 * (u * u) @ (a * a / ((1 + a) * (1 + 2 * a)))
        return own, u * (a / (1 + 2 * a))


def length_normalise(x: np.ndarray) -> np.ndarray:
    """Rows at length sqrt(d) (Garcia-Romero and Espy-Wilson, Interspeech 2011)."""
    return x * (np.sqrt(x.shape[1]) / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))


def train_plda(x, labels, lda_dim: int, min_class_size: int, iterations: int) -> tuple[Plda, list[float]]:
    """Train LDA and PLDA.

    Args:
        x: (N, D) embeddings.
        labels: (N,) classes.
        lda_dim: d, cut to what the data supports: min(D, classes - 1).
        min_class_size: smaller classes are left out.
        iterations: of EM.

    Returns:
        the model, and the mean log-likelihood per vector before each EM step, in nats.

    Raises:
        RecipeError: fewer than two classes are large enough, or none has two vectors.
    """
    _, labels, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    used = sizes[labels] >= min_class_size
    if len(np.unique(labels[used])) < 2 or sizes[sizes >= min_class_size].max(initial=0) < 2:
        raise RecipeError(
            f"PLDA: {np.sum(sizes >= min_class_size)} classes have {min_class_size} or more utterances, two must: "
            "lower min_class_size, or ask for fewer clusters"
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
    psi, diagonal = eigh(between, within)  # diagonal' W diagonal = I, diagonal' B diagonal = psi
    order = np.argsort(-psi)
    return Plda(mean, lda, centre, mu, diagonal[:, order], np.maximum(psi[order], 0.0)), likelihoods


def scatter(x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Total scatter of centred x, class sizes (I,), class sums (I, D), within-class scatter."""
    sizes = np.bincount(labels).astype(np.float64)
    order = np.argsort(labels, kind="stable")
    sums = np.add.reduceat(x[order], np.concatenate([[0], np.cumsum(sizes[:-1])]).astype(int), axis=0)
    total = x.T @ x
    return total, sizes, sums, total - (sums / sizes[:, None]).T @ sums


def train_lda(x: np.ndarray, labels: np.ndarray, dim: int) -> np.ndarray:
    """Directions (D, d) of the largest between-to-within ratio of centred x, at most classes - 1 of them."""
    total, sizes, _, within = scatter(x, labels)
    within = within / len(x)
    # Few utterances leave `within` singular: a small share of its trace on the diagonal keeps it regular.
    within[np.diag_indices_from(within)] += 1e-4 * np.trace(total) / total.size**0.5 / len(x)
    _, directions = eigh(total / len(x) - within, within)
    return directions[:, ::-1][:, : max(1, min(dim, x.shape[1], len(sizes) - 1))]


def fit_two_covariance(
    x: np.ndarray, labels: np.ndarray, iterations: int
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """EM for B and W on centred x.

    Args:
        x: (N, d) float64 of mean 0.
        labels: (N,) 0 to I-1, none empty.

    Returns:
        B, W (d, d) and the mean log-likelihood per vector of the model before each step.
    """
    count, d = x.shape
    total, sizes, sums, scatter_within = scatter(x, labels)
    floor = 1e-6 * np.trace(total) / count / d * np.eye(d)
    within = scatter_within / count + floor
    means = sums / sizes[:, None]
    between = means.T @ means / len(sizes) + floor
    likelihoods = []
    for _ in range(iterations):
        inverse_within, inverse_between = np.linalg.inv(within), np.linalg.inv(between)
        _, logdet_within = np.linalg.slogdet(within)
        _, logdet_between = np.linalg.slogdet(between)
        posterior = np.empty_like(sums)  # E y of every class
        second = np.zeros((d, d))  # sum of E y y'
        weighted = np.zeros((d, d))  # sum of n E y y'
        likelihood = -0.5 * (count * (d * np.log(2 * np.pi) + logdet_within) + np.sum(inverse_within * total))
        for n in np.unique(sizes):
            rows = sizes == n
            covariance = np.linalg.inv(inverse_between + n * inverse_within)
            gain = inverse_within @ covariance
            y = sums[rows] @ gain
            posterior[rows] = y
            moment = y.T @ y + rows.sum() * covariance
            second += moment
            weighted += n * moment
            # ln p(class) = ln of its vectors as if y were 0, + the posterior's share
            _, logdet = np.linalg.slogdet(covariance)
            likelihood += 0.5 * (rows.sum() * (logdet - logdet_between) + np.sum((sums[rows] @ inverse_within) * y))
        likelihoods.append(float(likelihood / count))
        cross = posterior.T @ sums
        between = second / len(sizes) + 1e-9 * floor
        within = (total - cross - cross.T + weighted) / count
        within = 0.5 * (within + within.T) + 1e-9 * floor
    return between, within, likelihoods


def save_plda(path, model: Plda) -> None:
    """Write all arrays as .npz."""
    np.savez(path, **vars(model))


def load_plda(path) -> Plda:
    """Read what save_plda wrote.

    Raises:
        RecipeError: missing or damaged file.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Plda(**arrays)
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such PLDA model: run steps/train_plda.py first") from None
    except Exception as error:  # numpy raises many kinds on a damaged file
        raise RecipeError(f"{path}: not a PLDA model of this recipe: {error}") from error
