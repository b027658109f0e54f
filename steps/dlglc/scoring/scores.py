"""Score files with `enrol test score` lines, as in Kaldi."""

import re
from pathlib import Path

import numpy as np

from ..arrays import Array
from ..data.tables import read_fields
from ..errors import RecipeError
from ..files import write_text

MISSING = "no such score file: run steps/score_trials.py first"
NO_NUMBER = re.compile(r"[^-+.0-9A-Za-z ]")  # Python also reads 1_000 and the digits of other scripts


def write_scores(path: Path, enrol: list[str], test: list[str], scores: Array) -> None:
    """Write one line per trial, in the given order."""
    write_text(path, "".join(f"{e} {t} {s:.6f}\n" for e, t, s in zip(enrol, test, scores.tolist())))


def read_pairs(path: Path) -> tuple[list[str], list[str]]:
    """Enrolment and test ids of a score file, in its order.

    Raises:
        RecipeError: the file is missing or empty, or a line has another form.
    """
    parts = read_fields(path, MISSING)
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
    lines = read_fields(path, MISSING)
    if all(len(words) == 3 for words in lines):
        numbers = [words[2] for words in lines]
        same = [words[0] for words in lines] == enrol and [words[1] for words in lines] == test
        if same and not NO_NUMBER.search(" ".join(numbers)):
            try:
                return np.array(numbers, dtype=np.float64)
            except ValueError:
                pass  # the search below names the line
    found: dict[tuple[str, str], float] = {}
    for number, words in enumerate(lines, 1):
        try:
            (one, other, text), score = words, float(words[2])
            if NO_NUMBER.search(text):
                raise ValueError
        except (IndexError, ValueError):
            shown = " ".join(words)[:200]
            raise RecipeError(f"{path}:{number}: expected 'enrol test score', found {shown!r}: score again") from None
        if (earlier := found.setdefault((one, other), score)) is not score and earlier != score:
            raise RecipeError(f"{path}:{number}: {one} {other} has another score on an earlier line: score again")
    try:
        return np.array([found[pair] for pair in zip(enrol, test)])
    except KeyError:
        number, pair = next((n, p) for n, p in enumerate(zip(enrol, test), 1) if p not in found)
        raise RecipeError(f"{trials}:{number}: no score for {' '.join(pair)} in {path}: score it") from None
