"""k-means on CPU or GPU, spherical or Euclidean, in bounded memory."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from .cli import RecipeError


@dataclass
class Clustering:
    """What kmeans found.

    Attributes:
        labels: (N,) int64.
        centroids: (K, D) float32; of unit length when spherical.
        objective: mean cosine to the own centroid when spherical (more is better), else the mean squared distance.
        iterations: of the best restart.
        repaired: empty clusters that were given a new point, over all its iterations.
    """

    labels: np.ndarray
    centroids: np.ndarray
    objective: float
    iterations: int
    repaired: int


def kmeans(
    points: np.ndarray,
    num_clusters: int,
    *,
    spherical: bool = True,
    init: str = "k-means++",
    restarts: int = 1,
    max_iter: int = 100,
    tolerance: float = 1e-5,
    seed: int = 0,
    device: str | torch.device = "cpu",
    chunk: int = 16384,
) -> Clustering:
    """Lloyd's algorithm; the best of several starts is kept. The same seed and device give the same answer.

    Args:
        points: (N, D). Spherical k-means looks at their directions alone.
        num_clusters: K <= N.
        init: k-means++ (D² sampling, Arthur and Vassilvitskii 2007) or random (K of the points).
        tolerance: stop when the objective changes by a smaller share of itself.
        chunk: points that are compared with all centroids at once; bounds memory at chunk × K.

    Raises:
        RecipeError: K > N or K < 1, points with NaN, unknown init.
    """
    if not 1 <= num_clusters <= len(points):
        raise RecipeError(f"{num_clusters} clusters of {len(points)} points: ask for 1 to {len(points)}")
    if init not in ("k-means++", "random"):
        raise RecipeError(f"init '{init}': choose k-means++ or random")
    x = torch.as_tensor(np.asarray(points, dtype=np.float32)).to(device)
    if not torch.isfinite(x).all():
        raise RecipeError("a point holds NaN or infinity: extract the embeddings again")
    if spherical:
        x = F.normalize(x, dim=1)
    best = None
    for restart in range(restarts):
        rng = np.random.default_rng((seed, restart))
        found = _lloyd(x, _start(x, num_clusters, init, spherical, rng), spherical, max_iter, tolerance, chunk)
        if best is None or (found.objective > best.objective) == spherical:
            best = found
    return best


def _start(x, k: int, init: str, spherical: bool, rng) -> torch.Tensor:
    """K points to start from."""
    count = len(x)
    if init == "random":
        return x[torch.as_tensor(np.sort(rng.choice(count, k, replace=False)), device=x.device)].clone()
    chosen = [int(rng.integers(count))]
    squares = x.square().sum(1)
    nearest = torch.full((count,), torch.inf, device=x.device)
    for _ in range(k - 1):
        centre = x[chosen[-1]]
        distance = squares - 2 * (x @ centre) + centre.square().sum()
        nearest = torch.minimum(nearest, distance.clamp_(min=0))
        nearest[chosen[-1]] = 0
        cumulative = nearest.double().cumsum(0).cpu().numpy()
        if cumulative[-1] <= 0:  # fewer distinct points than clusters: any unchosen one
            unused = np.setdiff1d(np.arange(count), chosen)
            chosen.append(int(rng.choice(unused)))
        else:
            chosen.append(min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")), count - 1))
    return x[torch.as_tensor(chosen, device=x.device)].clone()


def _lloyd(x, centroids, spherical: bool, max_iter: int, tolerance: float, chunk: int) -> Clustering:
    """Assign and average until the objective stands still."""
    k, previous, repaired, average = len(centroids), None, 0, float(x.square().sum(1).mean())
    for iteration in range(1, max_iter + 1):  # noqa: B007
        labels, closeness = _assign(x, centroids, chunk)
        objective = float(closeness.double().mean())
        if not spherical:
            objective = average - 2 * objective
        settled = previous is not None and abs(objective - previous) <= tolerance * abs(objective)
        previous = objective
        counts = torch.bincount(labels, minlength=k)
        empty = torch.nonzero(counts == 0).squeeze(1)
        if len(empty):
            # An empty cluster takes one of the worst-served points; a cluster's only point is never taken.
            fit = closeness if spherical else closeness - 0.5 * x.square().sum(1)
            order = torch.argsort(fit, stable=True)
            order = order[counts[labels[order]] > 1][: len(empty)]
            labels[order] = empty[: len(order)]
            counts = torch.bincount(labels, minlength=k)
            repaired += len(order)
            settled = False
        if settled:
            break
        sums = torch.zeros_like(centroids)
        if x.device.type == "cuda":
            sums.index_put_((labels,), x, accumulate=True)  # sorts first: the same sum every time
        else:
            sums.index_add_(0, labels, x)
        means = sums / counts.clamp(min=1).unsqueeze(1)
        if spherical:
            means = F.normalize(means, dim=1)
        centroids = torch.where((counts > 0).unsqueeze(1), means, centroids)
    return Clustering(labels.cpu().numpy(), centroids.cpu().numpy(), objective, iteration, repaired)


def _assign(x, centroids, chunk: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest centroid of each point, and x·c - |c|²/2 there (the cosine when spherical, up to a constant)."""
    offset = 0.5 * centroids.square().sum(1)
    unit = bool((offset - 0.5).abs().max() < 1e-4)
    labels = torch.empty(len(x), dtype=torch.long, device=x.device)
    closeness = torch.empty(len(x), device=x.device)
    for start in range(0, len(x), chunk):
        part = slice(start, start + chunk)
        products = x[part] @ centroids.T
        if not unit:
            products -= offset
        closeness[part], labels[part] = products.max(1)
    return labels, closeness
