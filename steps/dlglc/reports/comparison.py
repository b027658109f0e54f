"""Tables that compare the systems of several experiments with different seeds (steps/compare_systems.py)."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t as student

from ..arrays import Array
from ..console import log
from ..data.tables import read_table, read_trials
from ..extras.bootstrap import bootstrap, interval
from ..scoring.metrics import roc
from ..scoring.scores import read_scores
from .conditions import TrialList, describe_conditions
from .markdown import markdown_table
from .records import BACKENDS, read_experiment, stale_scores, variant_and_round

Found = dict[tuple[str, str], dict[Path, dict[str, Any]]]  # (system, back-end) → experiment → record


class Evaluation(NamedTuple):
    """The evaluation set whose speakers are resampled.

    Attributes:
        trials: trial list.
        utt2spk: true speakers of its utterances.
        draws: number of draws of speakers.
    """

    trials: Path
    utt2spk: Path
    draws: int

    @property
    def suffix(self) -> str:
        """The end of the names of the scores of these trials: "_within" for trials_within, "" for any other name."""
        return self.trials.name.removeprefix("trials") if self.trials.name.startswith("trials_") else ""


def read_experiments(exp_dirs: list[Path]) -> Found:
    """The records of several experiments, by system and back-end.

    Raises:
        RecipeError: one of the experiments has no scores.
    """
    found: Found = {}
    for exp_dir in exp_dirs:
        for name, reason in stale_scores(exp_dir).items():
            log.info("%s: the scores %s are left out: %s", exp_dir, name, reason)
        for record in read_experiment(exp_dir):
            found.setdefault((record["system"], record["backend"]), {})[exp_dir] = record
    return found


def overview(found: Found, systems: list[str], suffix: str = "") -> str:
    """The table of all systems: mean and standard deviation over seeds.

    Args:
        suffix: end of the names of the scores, "_within" for those of trials_within.
    """
    head = ["system", *(f"EER % {name}" for name in BACKENDS.values()), "minDCF 0.05 cosine", "minDCF 0.05 PLDA"]
    head += ["NMI", "purity", "kept %", "corrected %", "seeds"]
    rows = []
    for system in systems:
        groups = {backend: list(found.get((system, backend + suffix), {}).values()) for backend in BACKENDS}
        any_backend = next((group for group in groups.values() if group), None)
        if any_backend is None:  # not scored on this list
            continue
        row = [system, *(mean_and_deviation([r["eer"] for r in groups[b]], 2) for b in BACKENDS)]
        row += [mean_and_deviation([r["mindcf_0.05"] for r in groups[b]], 3) for b in ("cosine", "plda")]
        row += [mean_and_deviation([r[key] for r in any_backend], 3) for key in ("nmi", "purity")]
        gates = [r["gate"] for r in any_backend if r["gate"]]
        row += [gate_cell(gates, "kept", ["kept_right"])]
        row += [gate_cell(gates, "corrected", ["corrected_right_before", "corrected_right"])]
        rows.append([*row, str(len(any_backend))])
    return markdown_table(head, rows)


def conditions_section(found: Found, systems: list[str], lists: list[TrialList]) -> list[str]:
    """EER of all systems on all trial lists, mean and deviation over seeds. Empty if there is one list only."""
    scored = [some for some in lists if any(name.endswith(some.suffix) for _, name in found)]
    if len(scored) < 2:
        return []
    rows = []
    for system in systems:
        for backend, title in BACKENDS.items():
            groups = [found.get((system, backend + some.suffix), {}).values() for some in scored]
            if any(groups):
                cells = [mean_and_deviation([r["eer"] for r in group], 2) for group in groups]
                rows.append([system, title, *cells])
    head = ["system", "back-end", *(f"EER % {some.title}".strip() for some in scored)]
    return [f"Error rates by what the trials ask. {describe_conditions(lists)}", markdown_table(head, rows, left=2)]


def mean_and_deviation(values: list[float | None], digits: int) -> str:
    """Mean ± standard deviation (n - 1) of the values that are not None."""
    present = [v for v in values if v is not None]
    if not present:
        return "–"
    deviation = f" ± {np.std(present, ddof=1):.{digits}f}" if len(present) > 1 else ""
    return f"{np.mean(present):.{digits}f}{deviation}"


def gate_cell(gates: list[dict[str, Any]], share: str, precisions: list[str]) -> str:
    """A share in percent and, in brackets, its precisions in percent. All are means over seeds."""
    if not gates or not any(gate[share] for gate in gates):
        return "–"
    means = [np.mean([gate[key] for gate in gates if gate[key] is not None]) for key in precisions]
    return f"{100 * np.mean([gate[share] for gate in gates]):.0f} ({' → '.join(f'{100 * m:.0f}' for m in means)})"


def comparison_rows(systems: list[str], reference: str) -> dict[str, list[tuple[str, str]]]:
    """The rows of a table of differences.

    Args:
        systems: all systems.
        reference: a system, with which all others are compared; or a variant, whose rounds are compared with the
            rounds of the same number.

    Returns:
        row name → pairs (system, the system that it is compared with). A row of several pairs is their mean.
    """
    if reference in systems:
        return {system: [(system, reference)] for system in systems if system != reference}
    rows: dict[str, list[tuple[str, str]]] = {}
    variants: dict[str, list[tuple[str, str]]] = {}
    for system in systems:
        variant, number = variant_and_round(system)
        if number and variant != reference and f"{reference}{number}" in systems:
            pair = (system, f"{reference}{number}")
            rows[system] = [pair]
            variants.setdefault(variant, []).append(pair)
    means = {f"{variant}, mean of {len(group)} rounds": group for variant, group in variants.items() if len(group) > 1}
    return rows | means


def differences(found: Found, rows: dict[str, list[tuple[str, str]]], evaluation: Evaluation | None) -> str:
    """The table of EER differences, system minus reference, with intervals over seeds and over speakers.

    Args:
        rows: from comparison_rows.
        evaluation: None = no intervals over speakers.
    """
    head = ["system", "back-end", "EER difference", "relative %", "95 % over seeds", "95 % over speakers"]
    head += ["share of draws above 0"]
    table = []
    for name, row in rows.items():
        for name_of, title in BACKENDS.items():
            backend = name_of + (evaluation.suffix if evaluation else "")
            groups = [found.get((system, backend), {}) for pair in row for system in pair]
            common = [exp_dir for exp_dir in groups[0] if all(exp_dir in group for group in groups)]
            if not common:
                continue
            eers = np.array([[group[exp_dir]["eer"] for exp_dir in common] for group in groups])
            ours, theirs = eers[0::2].mean(0), eers[1::2].mean(0)
            bounds, above = "–", "–"
            if evaluation:
                drawn = speaker_draws(common, row, backend, evaluation)
                bounds, above = interval_cell(interval(drawn)), f"{np.mean(drawn > 0):.3f}"
            mean = np.mean(ours - theirs)
            row_cells = [name, title, f"{mean:+.2f}", f"{100 * mean / np.mean(theirs):+.1f}"]
            table.append([*row_cells, interval_cell(student_interval(ours - theirs)), bounds, above])
    return markdown_table(head, table, left=2)


def student_interval(values: Array) -> list[float] | None:
    """95 % interval of the mean of normally distributed values; None for a single value."""
    if len(values) < 2:
        return None
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return [values.mean() - half, values.mean() + half]


def interval_cell(bounds: list[float] | None) -> str:
    """An interval as a table's cell; – if there is none."""
    return "–" if bounds is None else f"{bounds[0]:+.2f} … {bounds[1]:+.2f}"


def speaker_draws(exp_dirs: list[Path], row: list[tuple[str, str]], backend: str, evaluation: Evaluation) -> Array:
    """(draws,) EER difference of a row's pairs under each draw of speakers, the mean over pairs and experiments."""
    ours, theirs = (
        [eer_draws(e / name / "scores" / backend, evaluation) for e in exp_dirs for name in side] for side in zip(*row)
    )
    means: Array = (np.array(ours) - np.array(theirs)).mean(0)
    return means


@functools.cache  # several comparisons use the draws of one system
def eer_draws(scores: Path, evaluation: Evaluation) -> Array:
    """(draws,) EER of a score file in percent. Draw k has the same speakers for every file on these trials."""
    enrol, test, target = read_trials(evaluation.trials)
    table = read_table(evaluation.utt2spk)
    enrolled, tested = (np.array([table[utt] for utt in side]) for side in (enrol, test))
    curve = roc(read_scores(scores, enrol, test, evaluation.trials), np.array(target))
    drawn = bootstrap([curve], enrolled, tested, (), 1.0, 1.0, evaluation.draws, 0)
    return drawn[0, :, 0]
