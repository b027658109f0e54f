"""k-means on CPU or GPU, spherical or Euclidean, in bounded memory."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from ..errors import RecipeError

CANDIDATES = 256  # most centroids that k-means++ draws in one pass over the points


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
    init: str | np.ndarray = "k-means++",
    restarts: int = 1,
    max_iter: int = 100,
    tolerance: float = 1e-5,
    seed: int = 0,
    device: str | torch.device = "cpu",
    chunk: int | None = None,
) -> Clustering:
    """Lloyd's algorithm; the best of several starts is kept. The same seed and device give the same answer.

    Args:
        points: (N, D). Spherical k-means looks at their directions alone (Dhillon and Modha, 2001).
        num_clusters: K <= N.
        init: k-means++ (D² sampling, Arthur and Vassilvitskii, 2007), random (K of the points), or (K, D) points.
        restarts: starts to try.
        max_iter: assignments per start, at most.
        tolerance: stop when the objective changes by a smaller share of itself.
        device: where the distances are computed.
        chunk: points that are compared with all centroids at once; memory is chunk × K × 4 bytes beside the points.
            None = what the device's caches like.

    Returns:
        labels that belong to the returned centroids; every cluster has a member.

    Raises:
        RecipeError: K > N or K < 1, points with NaN or infinity.
    """
    if not 1 <= num_clusters <= len(points):
        raise RecipeError(f"{num_clusters} clusters of {len(points)} points: ask for 1 to {len(points)}")
    x = torch.as_tensor(np.ascontiguousarray(points, dtype=np.float32)).to(device)
    if not torch.isfinite(torch.stack(torch.aminmax(x))).all():  # NaN wins both
        raise RecipeError("a point holds NaN or infinity: extract the embeddings again")
    # x·c - |c|²/2 loses digits to a common offset, which changes no distance.
    offset = x.mean(0)
    place = (lambda points: F.normalize(points, dim=1)) if spherical else (lambda points: points - offset)
    x = place(x)
    if chunk is None:
        chunk = 1024 if x.device.type == "cpu" else max(256, 2**27 // num_clusters)
    best = None
    for restart in range(max(1, restarts)):
        rng = np.random.default_rng((seed, restart))
        if isinstance(init, str):
            start = _start(x, num_clusters, init, rng, chunk)
        else:
            start = place(torch.as_tensor(np.asarray(init, dtype=np.float32), device=device))
        found = _lloyd(x, start, spherical, max_iter, tolerance, chunk)
        if best is None or (found.objective > best.objective) == spherical:
            best = found
    if not spherical:
        best.centroids += offset.cpu().numpy()
    return best


def _start(x, k: int, init: str, rng, chunk: int) -> torch.Tensor:
    """K points to start from."""
    chosen = rng.choice(len(x), k, replace=False) if init == "random" else _spread_out(x, k, rng, chunk)
    return x[torch.as_tensor(np.sort(chosen), device=x.device)].clone()


def _spread_out(x, k: int, rng, chunk: int) -> np.ndarray:
    """k-means++: each next point is drawn with a probability proportional to its squared distance to those chosen.

    Several are drawn in one pass, from the distances d² before it, and point i is accepted with probability
    d²(i) now / d²(i) before: what is accepted follows the present distances exactly, and the work is matrix products.
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
        if cumulative[-1] <= 0:  # fewer distinct points than clusters: any that are left
            rest = np.setdiff1d(np.arange(len(x)), chosen)
            return np.concatenate([chosen, rng.choice(rest, k - len(chosen), replace=False)]).astype(np.int64)
        # The more are chosen, the less one more of them changes the distances, and the more can be drawn at once.
        draws = rng.random((min(CANDIDATES, 1 + len(chosen) // 2), 2))
        drawn = np.minimum(np.searchsorted(cumulative, draws[:, 0] * cumulative[-1], side="right"), len(x) - 1)
        drawn_x = x[torch.as_tensor(drawn, device=x.device)].cpu().numpy()
        now, new = before[drawn].copy(), []
        for i, point in enumerate(drawn):
            if len(chosen) + len(new) < k and draws[i, 1] * before[point] < now[i]:
                new.append(int(point))
                now = np.minimum(now, ((drawn_x - drawn_x[i]) ** 2).sum(1))
        chosen = chosen + new


def _lloyd(x, centroids, spherical: bool, max_iter: int, tolerance: float, chunk: int) -> Clustering:
    """Assign and average until the objective stands still."""
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
            moved = _worst_served(closeness if spherical else closeness - 0.5 * squares, labels, k, len(empty))
            labels[moved] = empty
            centroids[empty] = x[moved]
            counts = torch.bincount(labels, minlength=k)
            repaired += len(empty)
        # Duplicated points may leave the same clusters empty each time: that is no reason to go on.
        if (settled and len(empty) in (0, last_empty)) or iteration == max_iter:
            break
        last_empty = len(empty)
        sums = torch.zeros_like(centroids)
        if x.device.type == "cuda":
            sums.index_put_((labels,), x, accumulate=True)  # sorts first: the same sum every time
        else:
            sums.index_add_(0, labels, x)
        centroids = F.normalize(sums, dim=1) if spherical else sums / counts.unsqueeze(1)
    return Clustering(labels.cpu().numpy(), centroids.cpu().numpy(), objective, iteration, repaired)


def _worst_served(fit, labels, k: int, count: int) -> torch.Tensor:
    """The `count` points of least fit, leaving each cluster its best one."""
    order = np.argsort(fit.cpu().numpy(), kind="stable")
    owner = labels.cpu().numpy()[order]
    keeper = np.full(k, -1)
    keeper[owner] = order  # of equal indices the last one stays, the best served point
    return torch.as_tensor(order[keeper[owner] != order][:count].copy(), device=fit.device)


def _assign(x, centroids, chunk: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Nearest centroid of each point, and x·c - |c|²/2 there; the square of the distance is |x|² less twice that."""
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
    # numpy's argmax costs a tenth of torch's, and its product of thousands of centroids two thirds.
    xs, transposed, offset, products = x.numpy(), centroids.numpy().T, offset.numpy(), products.numpy()
    for part in parts:
        rows = np.matmul(xs[part], transposed, out=products[: len(xs[part])])
        rows -= offset
        nearest = rows.argmax(1)
        labels.numpy()[part] = nearest
        closeness.numpy()[part] = rows[np.arange(len(nearest)), nearest]
    return labels, closeness
