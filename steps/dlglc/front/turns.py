"""Who spoke when in one long recording: speech, windows, voices, turns, and RTTM."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..data.spool import Samples
from ..errors import RecipeError
from .grouping import MOST, cut_tree, pair_scores
from .listening import find_speech
from .model import Model

WINDOW, STEP = 2.0, 1.0  # s; a voice needs about two seconds to be known by
BREATH = 0.5  # s; a shorter pause of one voice ends no turn
BATCH = 32  # windows that are embedded together
SMALLEST = 3  # windows of a voice; a smaller group is given to the nearest of the others


class Turn(NamedTuple):
    """A stretch of one voice.

    Attributes:
        start, end: seconds.
        voice: 0 to K-1, numbered by the time of their first words.
    """

    start: float
    end: float
    voice: int


def find_turns(model: Model, samples: Samples, rate: float, voices: int | None = None) -> list[Turn]:
    """Find who speaks when. Where two speak at once, one of them is named.

    Args:
        samples: (N,) float32 at the sample rate of the bundle; can be in a file.
        rate: false-accept rate of the threshold by which windows are of one voice.
        voices: number of voices, if it is known.

    Raises:
        RecipeError: nobody speaks, or the recording is too long.
    """
    stretches = find_speech(model.detector, samples, model.sample_rate)
    windows = cut_windows(stretches, model.sample_rate)
    if not windows:
        raise RecipeError("no speech was found")
    if len(windows) > MOST:
        hours = sum(b - a for a, b in stretches) / model.sample_rate / 3600
        raise RecipeError(f"{hours:.1f} hours of speech are too long: cut the recording")
    embeddings = embed_windows(model, samples, windows)
    scores, vectors = pair_scores(model.scorer, embeddings)
    labels = cut_tree(scores, vectors, model.decision.threshold(rate), voices)
    if voices is None:
        labels = merge_small(labels, scores)
    return join_windows(windows, labels, stretches, model.sample_rate)


def cut_windows(stretches: Iterable[tuple[int, int]], sample_rate: int) -> list[tuple[int, int]]:
    """First sample and end of windows that cover the stretches. A stretch that is shorter than a window is one."""
    length, step = int(WINDOW * sample_rate), int(STEP * sample_rate)
    windows = []
    for start, end in stretches:
        count = max(1, -(-(end - start - length) // step) + 1)
        firsts = np.linspace(start, max(start, end - length), count).astype(int).tolist()
        windows += [(first, min(first + length, end)) for first in firsts]
    return windows


def embed_windows(model: Model, samples: Samples, windows: list[tuple[int, int]]) -> Array:
    """(W, D) embeddings. Windows of equal length are computed together."""
    found: dict[int, Array] = {}
    lengths = np.array([end - start for start, end in windows])
    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        for at in range(0, len(same), BATCH):
            rows = same[at : at + BATCH].tolist()
            batch = np.stack([samples[windows[row][0] : windows[row][1]] for row in rows])
            found.update(zip(rows, model.engine.embed(batch)))
    return np.stack([found[row] for row in range(len(windows))])


def merge_small(labels: Array, scores: Array) -> Array:
    """Give the windows of groups of fewer than SMALLEST windows to the nearest larger group, if there is one."""
    sizes = np.bincount(labels)
    large = np.flatnonzero(sizes >= SMALLEST)
    if not len(large):
        return labels
    nearest = large[np.stack([scores[:, labels == voice].mean(1) for voice in large]).argmax(0)]
    return np.where(sizes[labels] >= SMALLEST, labels, nearest)


def join_windows(
    windows: list[tuple[int, int]], labels: Array, stretches: list[tuple[int, int]], sample_rate: int
) -> list[Turn]:
    """Turns from windows: a moment belongs to the window whose middle is nearest, within its stretch of speech."""
    pieces: list[tuple[int, int, int]] = []
    row = 0
    for start, end in stretches:
        inside = []
        while row < len(windows) and windows[row][0] < end:
            inside.append(row)
            row += 1
        middles = [sum(windows[i]) / 2 for i in inside]
        edges = [start, *(int((a + b) / 2) for a, b in itertools.pairwise(middles)), end]
        for i, a, b in zip(inside, edges, edges[1:]):
            voice = int(labels[i])
            if pieces and pieces[-1][2] == voice and pieces[-1][1] == a:
                pieces[-1] = (pieces[-1][0], b, voice)
            else:
                pieces.append((a, b, voice))
    order = {voice: number for number, voice in enumerate(dict.fromkeys(voice for _, _, voice in pieces))}
    turns: list[Turn] = []
    for first, last, voice in pieces:
        begin = first / sample_rate
        if turns and turns[-1].voice == order[voice] and begin - turns[-1].end <= BREATH:
            begin = turns.pop().start
        turns.append(Turn(begin, last / sample_rate, order[voice]))
    return turns


def rttm(name: str, turns: Iterable[Turn]) -> list[str]:
    """Lines of NIST's RTTM."""
    name = Path(name).stem.replace(" ", "_")
    return [
        f"SPEAKER {name} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> voice{turn.voice + 1} <NA> <NA>"
        for turn in turns
    ]
