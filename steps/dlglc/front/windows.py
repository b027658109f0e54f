"""Voices within a recording: windows, their embeddings, groups of them."""

from collections.abc import Iterable

import numpy as np

from ..arrays import Array
from ..bundles.engine import EncoderEngine
from ..bundles.scorer import Scorer
from ..data.spool import Samples
from .evidence import OF_WINDOWS
from .grouping import tree_groups

WINDOW, STEP = 2.0, 1.0  # s; a voice needs about two seconds to be known by
BATCH = 32  # windows that are embedded together
SMALLEST = 3  # windows of a voice; a smaller group is given to the nearest of the others


def cut_windows(stretches: Iterable[tuple[int, int]], sample_rate: int) -> list[tuple[int, int]]:
    """First sample and end of windows that cover the stretches. A stretch that is shorter than a window is one."""
    length, step = int(WINDOW * sample_rate), int(STEP * sample_rate)
    windows = []
    for start, end in stretches:
        count = max(1, -(-(end - start - length) // step) + 1)
        firsts = np.linspace(start, max(start, end - length), count).astype(int).tolist()
        windows += [(first, min(first + length, end)) for first in firsts]
    return windows


def embed_windows(engine: EncoderEngine, samples: Samples, windows: list[tuple[int, int]]) -> Array:
    """(W, D) embeddings. Windows of equal length are computed together."""
    found: dict[int, Array] = {}
    lengths = np.array([end - start for start, end in windows])
    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        for at in range(0, len(same), BATCH):
            rows = same[at : at + BATCH].tolist()
            batch = np.stack([samples[windows[row][0] : windows[row][1]] for row in rows])
            found.update(zip(rows, engine.embed(batch)))
    return np.stack([found[row] for row in range(len(windows))])


def merge_small(labels: Array, scores: Array) -> Array:
    """Give the windows of groups of fewer than SMALLEST windows to the nearest larger group, if there is one."""
    sizes = np.bincount(labels)
    large = np.flatnonzero(sizes >= SMALLEST)
    if not len(large):
        return labels
    nearest = large[np.stack([scores[:, labels == voice].mean(1) for voice in large]).argmax(0)]
    return np.where(sizes[labels] >= SMALLEST, labels, nearest)


def group_windows(scorer: Scorer, embeddings: Array, threshold: float, voices: int | None = None) -> Array:
    """(W,) voice of each window.

    Args:
        embeddings: (W, D).
        threshold: windows of one voice should have higher scores. PLDA needs none (see evidence.py).
        voices: number of voices, if it is known.
    """
    labels, scores = tree_groups(scorer, embeddings, threshold, OF_WINDOWS, voices)
    return labels if voices else merge_small(labels, scores)
