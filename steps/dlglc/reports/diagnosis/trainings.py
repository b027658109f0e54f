"""Problems of trainings: collapse, gates that do nothing."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from ...data.arks import read_some
from ...dino.collapse import collapse
from ...errors import RecipeError
from ...vectors import unit_length
from ..choice import describe_choice, kept_epoch
from .experiment import Experiment, Finding, percent

SAME = 0.1  # deviation of embeddings under which they are nearly the same, as dino.collapse has it
KEEPS_ALL, KEEPS_NOTHING = 0.995, 0.05  # share of kept labels


def check_collapse(experiment: Experiment) -> list[Finding] | str:
    """DINO's health in its last epoch, and embeddings that are all the same."""
    found, looked = [], False
    for system, lines in experiment.lines.items():
        settings = experiment.settings(system, "dino")
        if lines and "teacher_entropy" in lines[-1] and settings:
            looked = True
            part = settings["batch_size"] // (settings["accumulate"] * lines[-1].get("processes", 1))
            reason = collapse(lines[-1], settings["head"]["outputs"], part)
            if reason:
                problem, _, remedy = reason.rpartition(": ")
                found.append(Finding(system.name, f"collapse: {problem}", f"{remedy}. Then train DINO again"))
        scp = system / "train/embedding.scp"
        if scp.exists() and system.name not in ("mfcc", "untrained"):
            looked = True
            deviation = deviation_of(scp)
            if deviation < SAME:
                same = f"collapse: all embeddings are nearly the same (deviation {deviation:.3f}; healthy is near 1)"
                remedy = "lower the learning rate (dino.optimiser.lr or dlglc.optimiser.lr), and train again"
                found.append(Finding(system.name, same, remedy))
    return found if looked else "no trained system"


def deviation_of(scp: Path, most: int = 500) -> float:
    """Standard deviation of unit-length embeddings times the square root of their dimension, of a sample.

    NaN if the embeddings cannot be read.
    """
    try:
        _, points = read_some(scp, lambda ids: np.unique(np.linspace(0, len(ids) - 1, most).astype(int)))
    except RecipeError:
        return math.nan
    unit = unit_length(points)
    return float(unit.std(0).mean() * unit.shape[1] ** 0.5)


def check_gates(experiment: Experiment) -> list[Finding] | str:
    """Gates that keep every label, or almost none, at the end of a round."""
    found, looked = [], False
    for system in experiment.rounds:
        gate = experiment.settings(system, "dlglc").get("gate", {})
        gated = [line for line in experiment.lines[system] if line["epoch"] >= gate.get("from_epoch", 1)]
        if gate.get("mode", "none") != "none" and gated:
            looked = True
            found += gate_findings(system.name, gate["mode"], gated[-3:])
    return found if looked else "no round with a gate"


def check_held_out(experiment: Experiment) -> list[Finding] | str:
    """Rounds that kept the start, because no epoch made the error rate on held-out clusters lower."""
    unchanged = [system for system in experiment.rounds if kept_epoch(experiment.lines[system]) == 0]
    remedy = (
        "lower dlglc.optimiser.lr, or train fewer parts (dlglc.adapt.trained_parts). If the start is as good as the "
        "clusters, there is nothing to gain: use it"
    )
    found = [Finding(system.name, describe_choice(experiment.lines[system]), remedy) for system in unchanged]
    return found if experiment.rounds else "no rounds"


def gate_findings(system: str, mode: str, last: list[dict[str, Any]]) -> list[Finding]:
    """What is wrong with the gate of a round.

    Args:
        system: its name.
        mode: gate.mode.
        last: lines of metrics.jsonl of the last gated epochs.
    """
    kept = [line["kept"] for line in last]
    share = f"{percent(kept[-1])} of the labels are kept in the last epoch"
    if min(kept) > KEEPS_ALL:
        why = {line["gate"] for line in last}
        words = "gives no threshold" if "none" in why else "was opened" if "opened" in why else "keeps every label"
        remedy = (
            "start the gate later (dlglc.gate.from_epoch), when wrong labels have a higher loss than right ones, or "
            "train longer (dlglc.epochs). If the clusters are nearly right, there is nothing to mend"
        )
        if mode == "fixed":
            remedy = "lower dlglc.gate.fixed_thresholds, or use dlglc.gate.mode=dynamic"
        return [Finding(system, f"the gate {words}: {share}", remedy)]
    if max(kept) < KEEPS_NOTHING:
        remedy = (
            "start the gate later (dlglc.gate.from_epoch), after dlglc.margin_warmup_epochs, so that losses are lower, "
            "or raise dlglc.gate.min_kept"
        )
        return [Finding(system, f"the gate keeps almost no label: {share}", remedy)]
    return []
