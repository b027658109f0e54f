"""Conversations made of recordings, with their truth, and the error of a diarisation."""

from pathlib import Path

import numpy as np
import soundfile
from scipy.optimize import linear_sum_assignment

from dlglc.front.turns import Turn

RATE = 16000
FRAME = 0.01  # s


def make_conversation(speech: list[list[Path]], seed: int, overlap: float = 0.0) -> tuple[np.ndarray, list[Turn]]:
    """Recordings of some speakers in turn, with pauses of 0.3 to 0.9 s, never twice the same speaker in a row.

    Args:
        speech: recordings at 16 kHz by speaker; all of them are used.
        seed: of order, pauses and overlaps.
        overlap: share of the turns that begin 1 to 2 s before the other speaker ends, instead of after a pause.

    Returns:
        (N,) float32 samples, and the turns with the speakers' numbers.
    """
    rng = np.random.default_rng(seed)
    left = {voice: list(paths) for voice, paths in enumerate(speech)}
    mixed, turns, last = np.zeros(0, dtype="f4"), [], -1
    while any(left.values()):
        able = [voice for voice, paths in left.items() if paths and voice != last] or [last]
        weights = np.array([len(left[voice]) for voice in able], dtype=float)
        before, last = last, int(rng.choice(able, p=weights / weights.sum()))
        samples, rate = soundfile.read(left[last].pop(0), dtype="float32")
        assert rate == RATE
        samples = trimmed(samples)
        samples *= 0.1 / max(float(np.sqrt(np.mean(samples**2))), 1e-6)
        at = len(mixed) + int(RATE * rng.uniform(0.3, 0.9))
        if overlap and before not in (-1, last) and rng.random() < overlap:
            # not longer than half of the shorter turn, so that no third one speaks too
            shorter = min(len(samples), round(RATE * (turns[-1].end - turns[-1].start)))
            at = len(mixed) - min(int(RATE * rng.uniform(1, 2)), shorter // 2)
        turns.append(Turn(at / RATE, (at + len(samples)) / RATE, last))
        more = max(0, at + len(samples) - len(mixed))
        mixed = np.concatenate([mixed, rng.normal(0, 1e-4, more).astype("f4")])
        mixed[at : at + len(samples)] += samples
    return mixed, turns


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the quiet at both ends: 20 ms frames under a thirtieth of the loudest one's level."""
    blocks = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    level = np.sqrt(np.mean(blocks**2, axis=1))
    loud = np.flatnonzero(level > level.max() / 30)
    return samples[320 * loud[0] : 320 * (loud[-1] + 1)]


def frames(turns: list[Turn], count: int) -> np.ndarray:
    """(frames, K) bool: which voices speak in each frame."""
    found = np.zeros((count, max(turn.voice for turn in turns) + 1), dtype=bool)
    for turn in turns:
        found[round(turn.start / FRAME) : round(turn.end / FRAME), turn.voice] = True
    return found


def overlapped(turns: list[Turn]) -> float:
    """Share of the time with speech in which two or more speak."""
    speaking = frames(turns, round(max(turn.end for turn in turns) / FRAME) + 1).sum(1)
    return float(np.mean(speaking[speaking > 0] > 1))


def diarisation_error(truth: list[Turn], found: list[Turn], collar: float = 0.25) -> dict[str, float]:
    """Diarisation error rate as NIST's md-eval: missed, false alarm, confusion. Speech of two voices counts twice.

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
    table = true.T.astype(int) @ said
    rows, columns = linear_sum_assignment(-table)
    present, named = true.sum(1), said.sum(1)
    parts = {
        "missed": np.maximum(present - named, 0).sum(),
        "false_alarm": np.maximum(named - present, 0).sum(),
        "confusion": np.minimum(present, named).sum() - table[rows, columns].sum(),
    }
    return {
        "der": sum(parts.values()) / present.sum(),
        **{name: value / present.sum() for name, value in parts.items()},
    }
