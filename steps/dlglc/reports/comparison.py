"""Tables that compare systems over several experiments that differ in their seed (steps/compare_systems.py)."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import t as student

from ..data.tables import read_table, read_trials
from ..extras.bootstrap import bootstrap, interval
from ..scoring.metrics import roc
from ..scoring.scores import read_scores
from .records import read_experiment, variant_and_round

BACKENDS = {"cosine": "cosine", "asnorm": "AS-norm", "plda": "PLDA"}

Found = dict[tuple[str, str], dict[Path, dict[str, Any]]]  # (system, back-end) to its record in each experiment


class Evaluation(NamedTuple):
    """Whose speakers are resampled.

    Attributes:
        trials: trial list.
        utt2spk: true speakers of its utterances.
        draws: of speakers.
    """

    trials: Path
    utt2spk: Path
    draws: int


def read_experiments(exp_dirs: list[Path]) -> Found:
    """The records of several experiments, by system and back-end.

    Raises:
        RecipeError: nothing is scored in one of them.
    """
    found: Found = {}
    for exp_dir in exp_dirs:
        for record in read_experiment(exp_dir):
            found.setdefault((record["system"], record["backend"]), {})[exp_dir] = record
    return found


def overview(found: Found, systems: list[str]) -> str:
    """The table of all systems."""
    head = ["system", *(f"EER % {name}" for name in BACKENDS.values()), "minDCF 0.05 cosine", "minDCF 0.05 PLDA"]
    head += ["NMI", "purity", "kept %", "corrected %", "seeds"]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for system in systems:
        groups = {backend: list(found.get((system, backend), {}).values()) for backend in BACKENDS}
        any_backend = next(group for group in groups.values() if group)
        row = [system, *(spread([r["eer"] for r in groups[b]], 2) for b in BACKENDS)]
        row += [spread([r["mindcf_0.05"] for r in groups[b]], 3) for b in ("cosine", "plda")]
        row += [spread([r[key] for r in any_backend], 3) for key in ("nmi", "purity")]
        gates = [r["gate"] for r in any_backend if r["gate"]]
        row += [gate_cell(gates, "kept", ["kept_right"])]
        row += [gate_cell(gates, "corrected", ["corrected_right_before", "corrected_right"])]
        rows.append([*row, str(len(any_backend))])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def spread(values: list, digits: int) -> str:
    """Mean ± standard deviation of the values that are there."""
    values = [v for v in values if v is not None]
    if not values:
        return "–"
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{deviation}"


def gate_cell(gates: list[dict], share: str, precisions: list[str]) -> str:
    """A share in percent with its precisions in brackets, means over seeds."""
    if not gates or not any(gate[share] for gate in gates):
        return "–"
    means = [np.mean([gate[key] for gate in gates if gate[key] is not None]) for key in precisions]
    return f"{100 * np.mean([gate[share] for gate in gates]):.0f} ({' → '.join(f'{100 * m:.0f}' for m in means)})"


def pairs(systems: list[str], reference: str) -> dict[str, list[tuple[str, str]]]:
    """What is compared with a system or a variant: rows by name, each the mean over (system, its reference)."""
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
    """How each row's EER differs from its references', with both intervals."""
    table = [
        "| system | back-end | EER less | relative % | 95 % over seeds | 95 % over speakers | share of draws above |"
    ]
    table.append("|---|---|---:|---:|---:|---:|---:|")
    for name, row in rows.items():
        for backend, title in BACKENDS.items():
            groups = [found.get((system, backend), {}) for pair in row for system in pair]
            common = [exp_dir for exp_dir in groups[0] if all(exp_dir in group for group in groups)]
            if not common:
                continue
            eers = np.array([[group[exp_dir]["eer"] for exp_dir in common] for group in groups])
            ours, theirs = eers[0::2].mean(0), eers[1::2].mean(0)
            drawn = speaker_draws(common, row, backend, evaluation) if evaluation else None
            table.append(
                f"| {name} | {title} | {np.mean(ours - theirs):+.2f} | "
                f"{100 * np.mean(ours - theirs) / np.mean(theirs):+.1f} | {cell(student_interval(ours - theirs))} | "
                f"{cell(drawn and interval(drawn))} | {f'{np.mean(np.array(drawn) > 0):.3f}' if drawn else '–'} |"
            )
    return "\n".join(table)


def student_interval(values: np.ndarray) -> list[float] | None:
    """95 % interval of the mean of normal values, None of a single one."""
    if len(values) < 2:
        return None
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return [values.mean() - half, values.mean() + half]


def cell(bounds: list[float] | None) -> str:
    return "–" if bounds is None else f"{bounds[0]:+.2f} … {bounds[1]:+.2f}"


def speaker_draws(
    exp_dirs: list[Path], row: list[tuple[str, str]], backend: str, evaluation: Evaluation
) -> list[float]:
    """EER of systems less their references', mean of pairs and experiments, under each draw of evaluation speakers."""
    ours, theirs = (
        [eer_draws(e / name / "scores" / backend, evaluation) for e in exp_dirs for name in side] for side in zip(*row)
    )
    return (np.array(ours) - np.array(theirs)).mean(0).tolist()


@functools.cache  # a system is compared with several, under the same draws
def eer_draws(scores: Path, evaluation: Evaluation) -> np.ndarray:
    """(draws,) EER in percent of a score file; draw k is of the same speakers for every file on these trials."""
    enrol, test, target = read_trials(evaluation.trials)
    table = read_table(evaluation.utt2spk)
    speakers = [np.array([table[utt] for utt in side]) for side in (enrol, test)]
    curve = roc(read_scores(scores, enrol, test, evaluation.trials), np.array(target))
    return bootstrap([curve], *speakers, (), 1.0, 1.0, evaluation.draws, 0)[0, :, 0]
