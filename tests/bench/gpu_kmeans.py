"""k-means at VoxCeleb2's size, for tests/bench/gpu.sh."""

import time

import numpy as np
import torch
from page import Page

from dlglc.clusters.kmeans import Clustering, kmeans

PRODUCTS = {"highest": "float32", "high": "tf32"}  # torch's names of the precision of matrix products, and ours


def measure_kmeans(sizes: list[tuple[int, int, int]], device: str, page: Page) -> None:
    """An assignment with its update and a whole run from k-means++, on a GPU also with coarser products.

    Args:
        sizes: (N, D, K) of each row of the table.
        device: cpu or cuda.
        page: where the table goes.
    """
    page.text("\n")
    page.row("k-means", "products", "an iteration, ms", "a whole run, s", "iterations", "objective", "peak GiB")
    page.row("---", "---", *["--:"] * 5)
    for points, dimensions, clusters in sizes:
        x = grouped_points(points, dimensions)
        for precision in PRODUCTS if device == "cuda" else ("highest",):
            torch.set_float32_matmul_precision(precision)
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            iteration = seconds_of_an_iteration(x, clusters, device)
            before = time.monotonic()
            found: Clustering = kmeans(x, clusters, max_iter=50, device=device)
            page.row(
                f"{points:,} × {dimensions}, K = {clusters:,}",
                PRODUCTS[precision],
                f"{1000 * iteration:.0f}",
                f"{time.monotonic() - before:.1f}",
                str(found.iterations),
                f"{found.objective:.6f}",
                f"{torch.cuda.max_memory_allocated() / 2**30:.1f}" if device == "cuda" else "",
            )
    torch.set_float32_matmul_precision("highest")


def grouped_points(points: int, dimensions: int) -> np.ndarray:
    """(points, dimensions) float32, in groups of about 180 around centres."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((points, dimensions), dtype=np.float32)
    centres = rng.standard_normal((points // 180, dimensions), dtype=np.float32)
    x += 1.5 * centres[rng.integers(len(centres), size=points)]
    return x


def seconds_of_an_iteration(x: np.ndarray, clusters: int, device: str) -> float:
    """Seconds of one iteration: the difference between runs of 7 and of 2. The first run warms up."""
    seconds = {}
    for iterations in (2, 2, 7):
        before = time.monotonic()
        kmeans(x, clusters, init="random", max_iter=iterations, tolerance=0.0, device=device)
        seconds[iterations] = time.monotonic() - before
    return (seconds[7] - seconds[2]) / 5
