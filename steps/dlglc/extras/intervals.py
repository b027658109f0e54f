"""Confidence intervals of one score file, and of its difference to another (steps/compute_metrics.py --utt2spk)."""

from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..data.tables import read_table
from ..errors import RecipeError
from ..scoring.metrics import Roc, summary
from .bootstrap import bootstrap, interval

OperatingPoints = tuple[tuple[float, ...], float, float]  # p_targets, c_miss, c_fa, as metrics.summary takes them


def with_intervals(
    record: dict[str, Any],
    curve: Roc,
    other: Roc | None,
    speakers: tuple[Array, Array],
    points: OperatingPoints,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Add 95 % intervals of the error rates to a record.

    Args:
        record: the error rates of `curve`, from metrics.summary.
        curve: ROC of the system.
        other: ROC of another system on the same trials, to compare with.
        speakers: (T,) speaker numbers of both sides, from trial_speakers.
        points: operating points of minDCF.
        draws: number of draws of speakers.
        seed: of the draws.

    Returns:
        the record with <rate>_ci for each rate. With `other`, also <rate>_difference, <rate>_difference_ci and
        <rate>_share_above, in an object `against`.
    """
    curves = [curve] if other is None else [curve, other]
    p_targets, c_miss, c_fa = points
    drawn = bootstrap(curves, *speakers, p_targets, c_miss, c_fa, draws, seed)
    names = ["eer", *(f"mindcf_{p:g}" for p in p_targets)]
    record = record | {f"{name}_ci": interval(values) for name, values in zip(names, drawn[0].T)}
    if other is not None:
        theirs = summary(other, *points)
        against: dict[str, Any] = {}
        for name, values in zip(names, (drawn[0] - drawn[1]).T):
            against[f"{name}_difference"] = round(record[name] - theirs[name], 5)
            against[f"{name}_difference_ci"] = interval(values)
            against[f"{name}_share_above"] = round(float(np.mean(values > 0)), 4)
        record["against"] = against
    return record


def trial_speakers(
    enrol: list[str], test: list[str], target: list[bool], utt2spk: Path, trials: Path
) -> tuple[Array, Array]:
    """(T,) speaker numbers of the enrolment side and of the test side.

    Args:
        enrol, test: the trials' ids. An id that utt2spk does not have must be the name of a speaker.
        target: whether each trial is a target trial.
        utt2spk: true speakers of the utterances.
        trials: the file that the trials are from, for messages.

    Raises:
        RecipeError: an unknown utterance, or a trial that contradicts utt2spk, by file and line.
    """
    table = read_table(utt2spk)
    number = {speaker: i for i, speaker in enumerate(dict.fromkeys(table.values()))}
    number |= {utt: number[speaker] for utt, speaker in table.items()}
    for line, (e, t, same) in enumerate(zip(enrol, test, target), 1):
        missing = next((name for name in (e, t) if name not in number), None)
        if missing is not None:
            raise RecipeError(f"{trials}:{line}: no speaker for '{missing}' in {utt2spk}: add a line for it")
        if (number[e] == number[t]) != same:
            kind = "target" if same else "nontarget"
            raise RecipeError(
                f"{trials}:{line}: {e} {t} is a {kind} trial, but {utt2spk} says otherwise: correct one of the files"
            )
    return np.array([number[e] for e in enrol]), np.array([number[t] for t in test])
