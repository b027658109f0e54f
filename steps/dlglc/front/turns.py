"""Who spoke when in one long recording: speech, windows, voices, turns, and RTTM."""

import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..arrays import Array
from ..data.spool import Samples
from ..errors import RecipeError
from .grouping import MOST
from .listening import find_speech
from .model import Model
from .windows import cut_windows, embed_windows, group_windows

NOT_IN_FIELDS = re.compile(r"[\s\x00-\x1f\x7f\ufeff\ud800-\udfff]")
BREATH = 0.5  # s; a shorter pause of one voice ends no turn


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
    embeddings = embed_windows(model.engine, samples, windows)
    labels = group_windows(model.scorer, embeddings, model.decision.threshold(rate), voices)
    return join_windows(windows, labels, stretches, model.sample_rate)


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
    """Lines of NIST's RTTM.

    Args:
        name: of the recording. Characters that would end its field or its line become _, and so do bytes that are no
            UTF-8.
        turns: of the recording.
    """
    name = NOT_IN_FIELDS.sub("_", Path(name).stem) or "recording"
    return [
        f"SPEAKER {name} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> voice{turn.voice + 1} <NA> <NA>"
        for turn in turns
    ]
