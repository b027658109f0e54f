"""Which epoch of a round is its model: the one with the lowest error rate on held-out clusters, or the start."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..rounds.signs import chosen_epoch
from .records import read_lines, systems_of


def kept_epoch(lines: list[dict[str, Any]]) -> int | None:
    """The epoch that a round kept, from 1; 0 = the start; None if no clusters were held out.

    Args:
        lines: of the round's metrics.jsonl.
    """
    if not lines or "held_out_start" not in lines[0]:
        return None
    return chosen_epoch(lines[0]["held_out_start"], [line["held_out_eer"] for line in lines])


def describe_choice(lines: list[dict[str, Any]]) -> str:
    """A sentence on the epoch that a round kept; empty if no clusters were held out."""
    kept = kept_epoch(lines)
    if kept is None:
        return ""
    start = f"{lines[0]['held_out_start']:.2f} %"
    if kept:
        return (
            f"The model is that of epoch {kept}: the error rate on held-out clusters is "
            f"{lines[kept - 1]['held_out_eer']:.2f} %, at the start {start}."
        )
    lowest = min(line["held_out_eer"] for line in lines)
    return (
        f"The model is the start, unchanged: the error rate on held-out clusters is {start} at the start, and after "
        f"training {lowest:.2f} % at best."
    )


def unchanged_rounds(exp_dir: Path) -> dict[str, str]:
    """The rounds whose model is the encoder that they started from, each with the sentence about it."""
    lines = {system.name: read_lines(system / "metrics.jsonl") for system in systems_of(exp_dir)}
    return {name: describe_choice(found) for name, found in lines.items() if kept_epoch(found) == 0}


def last_system(exp_dir: Path, names: Sequence[str]) -> str:
    """The last system that has an encoder and clusters; empty if there is none.

    Rounds that kept their start count only if nothing else is there.

    Args:
        exp_dir: directory of the experiment.
        names: systems, in the order of the recipe.
    """
    whole = [
        name for name in names if all((exp_dir / name / part).exists() for part in ("model.pt", "clusters/utt2cluster"))
    ]
    changed = [name for name in whole if kept_epoch(read_lines(exp_dir / name / "metrics.jsonl")) != 0]
    return (changed or whole or [""])[-1]
