"""Conversations made of recordings, with their truth, and the error of a diarisation."""

from pathlib import Path

import numpy as np
import soundfile
from scipy.optimize import linear_sum_assignment

from dlglc.front.turns import Turn

RATE = 16000
FRAME = 0.01  # s


def make_conversation(speech: list[list[Path]], seed: int) -> tuple[np.ndarray, list[Turn]]:
    """Recordings of some speakers in turn, with pauses of 0.3 to 0.9 s, never twice the same speaker in a row.

    Args:
        speech: recordings at 16 kHz by speaker; all of them are used.
        seed: of order and pauses.

    Returns:
        (N,) float32 samples, and the turns with the speakers' numbers.
    """
    rng = np.random.default_rng(seed)
    left = {voice: list(paths) for voice, paths in enumerate(speech)}
    parts, turns, at, last = [], [], 0, -1
    while any(left.values()):
        able = [voice for voice, paths in left.items() if paths and voice != last] or [last]
        weights = np.array([len(left[voice]) for voice in able], dtype=float)
        last = int(rng.choice(able, p=weights / weights.sum()))
        samples, rate = soundfile.read(left[last].pop(0), dtype="float32")
        assert rate == RATE
        samples = trimmed(samples)
        samples *= 0.1 / max(float(np.sqrt(np.mean(samples**2))), 1e-6)
        pause = rng.normal(0, 1e-4, int(RATE * rng.uniform(0.3, 0.9))).astype("f4")
        turns.append(Turn(at / RATE, (at + len(samples)) / RATE, last))
        parts += [samples, pause]
        at += len(samples) + len(pause)
    return np.concatenate(parts), turns


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the quiet at both ends: 20 ms frames under a thirtieth of the loudest one's level."""
    blocks = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    level = np.sqrt(np.mean(blocks**2, axis=1))
    loud = np.flatnonzero(level > level.max() / 30)
    return samples[320 * loud[0] : 320 * (loud[-1] + 1)]


def frames(turns: list[Turn], count: int) -> np.ndarray:
    """(frames,) voice of each frame, -1 for none."""
    found = np.full(count, -1)
    for turn in turns:
        found[round(turn.start / FRAME) : round(turn.end / FRAME)] = turn.voice
    return found


def diarisation_error(truth: list[Turn], found: list[Turn], collar: float = 0.25) -> dict[str, float]:
    """Diarisation error rate as NIST's md-eval for speech without overlap: missed, false alarm, confusion.

    Args:
        collar: s, around each boundary of the truth, that does not count.

    Returns:
        der, missed, false_alarm, confusion as shares of the scored speech.
    """
    count = round(max(turn.end for turn in [*truth, *found]) / FRAME) + 1
    true, said = frames(truth, count), frames(found, count)
    scored = np.ones(count, dtype=bool)
    for edge in {edge for turn in truth for edge in (turn.start, turn.end)}:
        scored[max(0, round((edge - collar) / FRAME)) : round((edge + collar) / FRAME)] = False
    true, said = true[scored], said[scored]
    both = (true >= 0) & (said >= 0)
    table = np.zeros((true.max() + 1, said.max() + 1))
    np.add.at(table, (true[both], said[both]), 1)
    rows, columns = linear_sum_assignment(-table)
    speech = np.count_nonzero(true >= 0)
    parts = {
        "missed": np.count_nonzero((true >= 0) & (said < 0)),
        "false_alarm": np.count_nonzero((true < 0) & (said >= 0)),
        "confusion": np.count_nonzero(both) - table[rows, columns].sum(),
    }
    return {"der": sum(parts.values()) / speech, **{name: value / speech for name, value in parts.items()}}
