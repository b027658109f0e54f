"""k-means on CPU or GPU, spherical or Euclidean, with bounded memory."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ..arrays import Array
from ..errors import RecipeError

CANDIDATES = 256  # most points that k-means++ draws in one pass over all points


@dataclass
class Clustering:
    """The result of kmeans.

    Attributes:
        labels: (N,) int64, 0 to K-1.
        centroids: (K, D) float32, of unit length if spherical.
        objective: if spherical, the mean cosine to the own centroid (higher is better); else the mean squared distance.
        iterations: of the best start.
        repaired: how often an empty cluster was given a new point, in the best start.
    """

    labels: Array
    centroids: Array
    objective: float
    iterations: int
    repaired: int


def kmeans(
    points: Array,
    num_clusters: int,
    *,
    spherical: bool = True,
    init: str | Array = "k-means++",
    restarts: int = 1,
    max_iter: int = 100,
    tolerance: float = 1e-5,
    seed: int = 0,
    device: str | torch.device = "cpu",
    chunk: int | None = None,
) -> Clustering:
    """Lloyd's algorithm. The best of several starts is kept. The same seed and device give the same result.

    Args:
        points: (N, D). Spherical k-means uses their directions only (Dhillon and Modha, 2001).
        num_clusters: K <= N.
        spherical: cluster by cosine; else by Euclidean distance.
        init: k-means++ (D² sampling, Arthur and Vassilvitskii, 2007), random (K of the points), or (K, D) points.
        restarts: number of starts.
        max_iter: most assignments per start.
        tolerance: stop when the relative change of the objective is smaller.
        seed: of the starting points.
        device: where the distances are computed.
        chunk: points that are compared with all centroids at once. Besides the points, this needs chunk × K × 4 bytes
            of memory. None = a number that suits the caches of the device.

    Returns:
        The clustering. Its labels belong to its centroids, and every cluster has a member.

    Raises:
        RecipeError: K > N or K < 1, or a point has NaN or infinity.
    """
    if not 1 <= num_clusters <= len(points):
        raise RecipeError(f"{num_clusters} clusters of {len(points)} points: ask for 1 to {len(points)}")
    x = torch.as_tensor(np.ascontiguousarray(points, dtype=np.float32)).to(device)
    if not torch.isfinite(torch.stack(torch.aminmax(x))).all():  # min and max are NaN if any value is
        raise RecipeError("a point holds NaN or infinity: extract the embeddings again")
    # A common offset of all points changes no distance, but x·c - |c|²/2 would lose digits to it.
    offset = x.mean(0)
    place = (lambda points: F.normalize(points, dim=1)) if spherical else (lambda points: points - offset)
    x = place(x)
    if chunk is None:
        chunk = 1024 if x.device.type == "cpu" else max(256, 2**27 // num_clusters)

    def search(restart: int) -> Clustering:
        if isinstance(init, str):
            start = _start(x, num_clusters, init, np.random.default_rng((seed, restart)), chunk)
        else:
            start = place(torch.as_tensor(np.asarray(init, dtype=np.float32), device=device))
        return _lloyd(x, start, spherical, max_iter, tolerance, chunk)

    found = map(search, range(max(1, restarts)))
    best = max(found, key=lambda one: one.objective if spherical else -one.objective)
    if not spherical:
        best.centroids += offset.cpu().numpy()
    return best


def _start(x: torch.Tensor, k: int, init: str, rng: np.random.Generator, chunk: int) -> torch.Tensor:
    """(K, D) starting points."""
    chosen = rng.choice(len(x), k, replace=False) if init == "random" else _kmeans_plus_plus(x, k, rng, chunk)
    return x[torch.as_tensor(np.sort(chosen), device=x.device)].clone()


def _kmeans_plus_plus(x: torch.Tensor, k: int, rng: np.random.Generator, chunk: int) -> Array:
    """k-means++: the next point is drawn with a probability proportional to its squared distance to the chosen points.

    One pass over the points draws several candidates, with the distances d² at the beginning of the pass. Candidate i
    is accepted with probability d²(i) now / d²(i) at the beginning. So the accepted points follow the present
    distances exactly, and nearly all work is in matrix products.

    Returns:
        (K,) row numbers.
    """
    squares = x.square().sum(1)
    chosen = [int(rng.integers(len(x)))]
    nearest = torch.full_like(squares, torch.inf)
    new = chosen
    while True:
        centres = x[torch.as_tensor(new, device=x.device)]
        nearest = torch.minimum(nearest, (squares - 2 * _assign(x, centres, chunk)[1]).clamp_(min=0))
        nearest[torch.as_tensor(new, device=x.device)] = 0
        if len(chosen) == k:
            return np.array(chosen)
        before = nearest.cpu().numpy()
        cumulative = np.cumsum(before, dtype=np.float64)
        if cumulative[-1] <= 0:  # fewer distinct points than clusters: take any of the rest
            rest = np.setdiff1d(np.arange(len(x)), chosen)
            return np.concatenate([chosen, rng.choice(rest, k - len(chosen), replace=False)]).astype(np.int64)
        # The more points are chosen, the less one more changes the distances, and the more can be drawn at once.
        draws = rng.random((min(CANDIDATES, 1 + len(chosen) // 2), 2))
        drawn = np.minimum(np.searchsorted(cumulative, draws[:, 0] * cumulative[-1], side="right"), len(x) - 1)
        drawn_x = x[torch.as_tensor(drawn, device=x.device)].cpu().numpy()
        now, new = before[drawn].copy(), []
        for i, point in enumerate(drawn):
            if len(chosen) + len(new) < k and draws[i, 1] * before[point] < now[i]:
                new.append(int(point))
                now = np.minimum(now, ((drawn_x - drawn_x[i]) ** 2).sum(1))
        chosen = chosen + new


def _lloyd(
    x: torch.Tensor, centroids: torch.Tensor, spherical: bool, max_iter: int, tolerance: float, chunk: int
) -> Clustering:
    """Assign points and average clusters until the objective no longer changes."""
    k, previous, repaired, last_empty = len(centroids), None, 0, 0
    squares = x.square().sum(1)
    average = float(squares.double().mean())
    for iteration in range(1, max_iter + 1):
        labels, closeness = _assign(x, centroids, chunk)
        objective = float(closeness.double().mean())
        if spherical:
            objective += 0.5  # closeness is x·c - |c|²/2, and the centroids have unit length
        else:
            objective = average - 2 * objective
        settled = previous is not None and abs(objective - previous) <= tolerance * abs(objective)
        previous = objective
        counts = torch.bincount(labels, minlength=k)
        empty = torch.nonzero(counts == 0).squeeze(1)
        if len(empty):
            moved = _farthest_points(closeness if spherical else closeness - 0.5 * squares, labels, k, len(empty))
            labels[moved] = empty
            centroids[empty] = x[moved]
            counts = torch.bincount(labels, minlength=k)
            repaired += len(empty)
        # With duplicated points the same number of clusters can be empty each time. Then nothing more is gained.
        if (settled and len(empty) in (0, last_empty)) or iteration == max_iter:
            break
        last_empty = len(empty)
        sums = torch.zeros_like(centroids)
        if x.device.type == "cuda":
            sums.index_put_((labels,), x, accumulate=True)  # this sorts first, so that the sum is the same every time
        else:
            sums.index_add_(0, labels, x)
        centroids = F.normalize(sums, dim=1) if spherical else sums / counts.unsqueeze(1)
    return Clustering(labels.cpu().numpy(), centroids.cpu().numpy(), objective, iteration, repaired)


def _farthest_points(fit: torch.Tensor, labels: torch.Tensor, k: int, count: int) -> torch.Tensor:
    """(count,) row numbers of the points that fit worst. The best point of each cluster is never taken."""
    order = np.argsort(fit.cpu().numpy(), kind="stable")
    owner = labels.cpu().numpy()[order]
    keeper = np.full(k, -1)
    keeper[owner] = order  # of equal indices the last one counts: the point that fits best
    return torch.as_tensor(order[keeper[owner] != order][:count].copy(), device=fit.device)


def _assign(x: torch.Tensor, centroids: torch.Tensor, chunk: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest centroid c of each point x, and x·c - |c|²/2. The squared distance is |x|² minus twice this value."""
    offset = 0.5 * centroids.square().sum(1)
    labels = torch.empty(len(x), dtype=torch.long, device=x.device)
    closeness = torch.empty(len(x), device=x.device)
    products = torch.empty(min(chunk, len(x)), len(centroids), device=x.device)
    parts = [slice(start, start + chunk) for start in range(0, len(x), chunk)]
    if x.device.type == "cuda":
        for part in parts:
            rows = torch.addmm(offset, x[part], centroids.T, beta=-1, out=products[: len(x[part])])
            closeness[part], labels[part] = rows.max(1)
        return labels, closeness
    # On a CPU, numpy's argmax takes a tenth of the time of torch's, its product with thousands of centroids two thirds.
    xs, transposed, subtract, buffer = x.numpy(), centroids.numpy().T, offset.numpy(), products.numpy()
    for part in parts:
        product = np.matmul(xs[part], transposed, out=buffer[: len(xs[part])])
        product -= subtract
        nearest = product.argmax(1)
        labels.numpy()[part] = nearest
        closeness.numpy()[part] = product[np.arange(len(nearest)), nearest]
    return labels, closeness
