"""The part of the page on trainings: loss, accuracy and health by epoch."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import Array
from ..choice import describe_choice
from ..records import read_config, read_lines, systems_of
from ..unlabelled import cell
from .blocks import Block, Figure, Row, Section, Table, Text
from .drawing import curves

Lines = list[dict[str, Any]]

NOTES = {
    "teacher_entropy": "Entropy of a teacher's output for one crop. The dotted line is ln K: if all outputs are "
    "uniform, the training has collapsed.",
    "embedding_std": "Standard deviation of unit-length embeddings times the square root of their dimension. It is "
    "near 1 in a healthy run. Near 0 all embeddings are the same: a collapse.",
    "batch_entropy": "Entropy of a batch's mean output. Near 0 all outputs are on one prototype: a collapse.",
    "held_out_eer": "Error rate on crops of clusters that are not trained on. Epoch 0 is the start. The model is that "
    "of the lowest point.",
    "accuracy": "Share of the crops for which the model predicts the pseudo label.",
}


def trainings_section(exp_dir: Path) -> Section:
    """Figures of each DINO, and of all rounds together."""
    lines = {system: read_lines(system / "metrics.jsonl") for system in systems_of(exp_dir)}
    lines = {system: found for system, found in lines.items() if found}
    blocks: list[Block] = []
    for system, found in lines.items():
        if "teacher_entropy" in found[0]:
            blocks.append(Row(dino_figures(system, found)))
    rounds = {system.name: found for system, found in lines.items() if "kept" in found[0]}
    if rounds:
        loss = together("loss", rounds, "Loss of the rounds by epoch", "loss, nats")
        accuracy = together("accuracy", rounds, "Pseudo labels that the model predicts", "share")
        blocks.append(Row([loss, accuracy]))
    held_out = {name: with_start(found) for name, found in rounds.items() if "held_out_start" in found[0]}
    if held_out:
        title = "Error rate on held-out clusters"
        blocks.append(Row([together("held_out_eer", held_out, title, "%")]))
        blocks += [Text(f"{name}: {describe_choice(rounds[name])}") for name in held_out]
    return Section("trainings", "Trainings by epoch", blocks)


def with_start(lines: Lines) -> Lines:
    """The error rates on held-out clusters by epoch, the start as epoch 0."""
    start = lines[0]["held_out_start"]
    return [{"epoch": 0, "held_out_eer": start}, *lines]


def dino_figures(system: Path, lines: Lines) -> list[Figure]:
    """Loss, entropies and deviation of a DINO training."""
    settings = read_config(system / "config.yaml") if (system / "config.yaml").exists() else {}
    outputs = settings.get("head", {}).get("outputs")
    level = (f"ln K = {math.log(outputs):.2f}", math.log(outputs)) if outputs else None
    name = system.name
    return [
        by_epoch(f"{name}-loss", lines, {"loss": "loss"}, f"Loss of {name}", "nats"),
        by_epoch(
            f"{name}-entropy",
            lines,
            {"teacher_entropy": "of a crop", "batch_entropy": "of a batch's mean"},
            f"Teacher entropy of {name}",
            "nats",
            level,
        ),
        by_epoch(
            f"{name}-std", lines, {"embedding_std": "deviation"}, f"Deviation of {name}'s embeddings", "1 is healthy"
        ),
    ]


def by_epoch(
    key: str, lines: Lines, figures: dict[str, str], title: str, unit: str, level: tuple[str, float] | None = None
) -> Figure:
    """Figures of one training by epoch.

    Args:
        key: unique in the page.
        lines: of metrics.jsonl.
        figures: their keys in the lines, and their names.
        title, unit: of the figure.
        level: name and height of a dotted line.
    """
    figures = {name: words for name, words in figures.items() if name in lines[0]}
    at = np.array([line["epoch"] for line in lines])
    drawn = {words: (at, np.array([line[name] for line in lines])) for name, words in figures.items()}
    svg = curves(key, drawn, "epoch", unit, level)
    rows = [[str(line["epoch"]), *(cell(line[name], 3) for name in figures)] for line in lines]
    note = " ".join(NOTES[name] for name in figures if name in NOTES)
    return Figure(svg, title, f"{title}. {describe(drawn)}", note, Table(["epoch", *figures.values()], rows, title, 0))


def together(key: str, rounds: dict[str, Lines], title: str, unit: str) -> Figure:
    """One figure of metrics.jsonl for all rounds."""
    drawn = {
        name: (np.array([line["epoch"] for line in lines]), np.array([line[key] for line in lines]))
        for name, lines in rounds.items()
    }
    last = max(len(lines) for lines in rounds.values())
    first = next(iter(rounds.values()))[0]["epoch"]
    rows = [
        [str(first + k), *(cell(lines[k][key], 3) if k < len(lines) else "–" for lines in rounds.values())]
        for k in range(last)
    ]
    svg = curves(f"rounds-{key}", drawn, "epoch", unit)
    return Figure(
        svg, title, f"{title}. {describe(drawn)}", NOTES.get(key, ""), Table(["epoch", *rounds], rows, title, 0)
    )


def describe(lines: dict[str, tuple[Array, Array]]) -> str:
    """The lines in words: where each begins and ends."""
    return "; ".join(
        f"{name}: {values[0]:.3g} in epoch {at[0]}, {values[-1]:.3g} in epoch {at[-1]}"
        for name, (at, values) in lines.items()
    )
