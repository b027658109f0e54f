"""Score files with `enrol test score` lines, as in Kaldi."""

from pathlib import Path

import numpy as np

from ..arrays import Array
from ..errors import RecipeError
from ..files import write_text


def write_scores(path: Path, enrol: list[str], test: list[str], scores: Array) -> None:
    """Write one line per trial, in the given order."""
    write_text(path, "".join(f"{e} {t} {s:.6f}\n" for e, t, s in zip(enrol, test, scores.tolist())))


def read_pairs(path: Path) -> tuple[list[str], list[str]]:
    """Enrolment and test ids of a score file, in its order.

    Raises:
        RecipeError: the file is missing or empty, or a line has another form.
    """
    parts = [line.split() for line in _read(path).splitlines()]
    wrong = next((number for number, words in enumerate(parts, 1) if len(words) != 3), None)
    if wrong or not parts:
        raise RecipeError(f"{path}:{wrong or 1}: expected 'enrol test score'")
    return [words[0] for words in parts], [words[1] for words in parts]


def read_scores(path: Path, enrol: list[str], test: list[str], trials: Path) -> Array:
    """The score of every trial.

    Args:
        path: `enrol test score` lines in any order. The order of the trials is the fastest.
        enrol, test: the trials' ids.
        trials: the file that the trials are from, for messages.

    Raises:
        RecipeError: a trial has no score, a pair has two scores, or a line has another form; by file and line.
    """
    text = _read(path)
    words = text.split()
    if words[0::3] == enrol and words[1::3] == test and len(words) == 3 * len(enrol):
        try:
            return np.array(words[2::3], dtype=np.float64)
        except ValueError:
            pass  # the search below names the line
    found: dict[tuple[str, str], float] = {}
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        try:
            pair, score = (parts[0], parts[1]), float(parts[2])
        except (IndexError, ValueError):
            raise RecipeError(f"{path}:{number}: expected 'enrol test score', found {line!r}") from None
        if (earlier := found.setdefault(pair, score)) is not score and earlier != score:
            raise RecipeError(f"{path}:{number}: {' '.join(pair)} has another score on an earlier line: score again")
    try:
        return np.array([found[pair] for pair in zip(enrol, test)])
    except KeyError:
        number, pair = next((n, p) for n, p in enumerate(zip(enrol, test), 1) if p not in found)
        raise RecipeError(f"{trials}:{number}: no score for {' '.join(pair)} in {path}: score it") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such score file: run steps/score_trials.py first") from None
