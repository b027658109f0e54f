"""The part of the page on gates: losses with mixture and threshold by epoch, shares, and their precision."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from ...arrays import Array
from ...data.tables import read_table
from ...rounds.records import DECISIONS, read_record, record_file
from ..quality import right_labels
from ..records import read_lines, read_stamp, systems_of
from ..truth import true_speakers
from ..unlabelled import cell
from .blocks import Block, Figure, Frame, Row, Section, Slider, Table
from .drawing import INK, SERIES, canvas, curves, frame, legend_above, to_svg

BINS = 48
HOW = {
    "off": "there is no gate in this epoch, and every label is trusted",
    "fixed": "the threshold is from the settings",
    "crossing": "the threshold is where the components of the mixture cross",
    "previous": "the components do not cross, and the threshold of an earlier epoch is used",
    "posterior": "the components do not cross between their means, and the threshold lies above both",
    "none": "the mixture gives no threshold, and every label is trusted",
    "opened": "the threshold would keep too few labels, and every label is trusted",
}


class Losses(NamedTuple):
    """The losses that set the gate of an epoch.

    Attributes:
        epoch: whose gate they set, from 2.
        values: (N,) ln(loss) in the epoch before.
        rows: (N,) rows of the utterances in the data directory.
        line: the epoch's line of metrics.jsonl.
    """

    epoch: int
    values: Array
    rows: Array
    line: dict[str, Any]


def gates_section(exp_dir: Path, data: Path | None) -> Section:
    """A slider and the shares of each round.

    Args:
        exp_dir: directory of the experiment.
        data: its data directory, for the true speakers, if they are known.
    """
    blocks: list[Block] = []
    for system in systems_of(exp_dir):
        lines = read_lines(system / "metrics.jsonl")
        if lines and "kept" in lines[0]:
            slider = gate_slider(system, lines, right_of(system, data))
            blocks.append(Row([*([slider] if slider else []), *share_figures(system, lines)]))
    return Section("gates", "Gate and correction", blocks)


def right_of(system: Path, data: Path | None) -> Array | None:
    """(N,) bool, whether each pseudo label of a round is right by the true speakers; None if that is not known."""
    labels = next((Path(name) for name in read_stamp(system / "stamp.json", "inputs") if labels_in(name)), None)
    speakers = true_speakers(data, "train")
    if labels is None or not labels.exists() or not speakers:
        return None
    clusters = read_table(labels)
    if any(utt not in speakers for utt in clusters):
        return None
    return right_labels(list(clusters.values()), [speakers[utt] for utt in clusters])


def labels_in(name: str) -> bool:
    """True if an input of a round is its pseudo labels, not a table of audio or a model."""
    return Path(name).suffix not in (".scp", ".pt")


def gate_slider(system: Path, lines: list[dict[str, Any]], right: Array | None) -> Slider | None:
    """The histogram of the losses by epoch; None if the records are not there."""
    found = []
    for line in lines[1:]:
        file = record_file(system / "gate", line["epoch"] - 1)
        if file.exists():
            record = read_record(file)
            found.append(Losses(line["epoch"], record.log_loss, record.rows, line))
    if not found or [losses.epoch for losses in found] != list(range(found[0].epoch, found[-1].epoch + 1)):
        return None
    if right is not None:
        known = found[0].rows.max() < len(right)
        right = right[found[0].rows] if known else None
    name = system.name
    figure = draw_histograms(f"{name}-losses", found, right)
    rows = [row_of(losses.line) for losses in found]
    head = ["epoch", "gate", "threshold on the loss", "means of the mixture", "kept %", "corrected %", "dropped %"]
    colours = (
        "Right and wrong labels by the true speakers are drawn apart, for this report only. "
        if right is not None
        else ""
    )
    return Slider(
        f"{name}-gate",
        Figure(
            figure,
            f"{name}: losses that set the gate",
            f"Histogram of the logarithm of the losses, with the two components of the fitted mixture and the "
            f"threshold. The slider below chooses one of {len(found)} epochs; its text says what the gate did.",
            f"{colours}Labels left of the threshold are trusted. The losses are those of the epoch before.",
            Table(head, rows, f"The gate of {name} by epoch", 2),
        ),
        "Epoch",
        [Frame(losses.epoch, sentence(losses.line)) for losses in found],
    )


def row_of(line: dict[str, Any]) -> list[str]:
    """An epoch of the table."""
    means = line.get("mixture_means")
    row = [str(line["epoch"]), line["gate"], cell(line["threshold"], 3)]
    row.append("–" if means is None else " and ".join(f"{mean:.2f}" for mean in means))
    return row + [f"{100 * line[name]:.1f}" for name in DECISIONS]


def sentence(line: dict[str, Any]) -> str:
    """What the gate of an epoch did."""
    threshold = "" if line["threshold"] is None else f" of {line['threshold']:.3g} on the loss"
    shares = ", ".join(f"{name} {100 * line[name]:.1f}\u00a0%" for name in DECISIONS)
    how = HOW.get(line["gate"], line["gate"]).replace("the threshold", f"the threshold{threshold}", 1)
    return f"Epoch {line['epoch']}: {how}. Labels: {shares}."


def draw_histograms(key: str, found: list[Losses], right: Array | None) -> Markup:
    """All epochs in one drawing, each as a frame. The last one is shown without a script."""
    pooled = np.concatenate([np.quantile(losses.values, [0.002, 0.998]) for losses in found])
    edges = np.linspace(pooled.min() - 0.1, pooled.max() + 0.1, BINS + 1)
    parts = (
        {"labels": np.ones(len(found[0].values), bool)}
        if right is None
        else {"right labels": right, "wrong labels": ~right}
    )
    counts = {
        losses.epoch: [np.histogram(losses.values[part], edges)[0] for part in parts.values()] for losses in found
    }
    with canvas() as (figure, axes):
        for place, name in enumerate(parts):
            axes.stairs([0], [edges[0], edges[0]], fill=True, color=SERIES[place], alpha=0.45, label=name)
        axes.plot([], [], color=INK, linewidth=1.6, label="mixture")
        axes.plot([], [], color=SERIES[3], linestyle="--", linewidth=2, label="threshold")
        for losses in found:
            draw_frame(axes, losses, edges, counts[losses.epoch])
        axes.set(xlim=(edges[0], edges[-1]), xlabel="ln(loss)", ylabel="utterances")
        axes.set_ylim(0, 1.08 * max(int(np.sum(stack, axis=0).max()) for stack in counts.values()))
        legend_above(figure)
        svg = to_svg(figure, key)
    last = found[-1].epoch
    return Markup(
        svg.replace(Markup(f'class="frame" data-frame="{last}"'), Markup(f'class="frame shown" data-frame="{last}"'))
    )


def draw_frame(axes: Axes, losses: Losses, edges: Array, counts: list[Array]) -> None:
    """Histogram, components of the mixture, and threshold of one epoch."""
    gid = frame(losses.epoch)
    base: Array = np.zeros(BINS)
    for place, count in enumerate(counts):
        axes.stairs(base + count, edges, baseline=base, fill=True, color=SERIES[place], alpha=0.45, gid=gid)
        base = base + count
    line = losses.line
    if line.get("mixture_means"):
        x = np.linspace(edges[0], edges[-1], 60)
        for weight, mean, variance in zip(*(line[f"mixture_{key}"] for key in ("weights", "means", "variances"))):
            density = weight * np.exp(-((x - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
            axes.plot(x, density * len(losses.values) * (edges[1] - edges[0]), color=INK, linewidth=1.6, gid=gid)
    if line["threshold"] is not None:
        axes.axvline(math.log(max(line["threshold"], 1e-8)), color=SERIES[3], linestyle="--", linewidth=2, gid=gid)


def share_figures(system: Path, lines: list[dict[str, Any]]) -> list[Figure]:
    """Shares of kept, corrected and dropped labels by epoch; with the true speakers, their precision too."""
    name = system.name
    quality = read_lines(system / "gate_quality.jsonl")
    at = np.array([line["epoch"] for line in lines])
    drawn = {part: (at, np.array([100 * line[part] for line in lines])) for part in DECISIONS}
    rows = [[str(line["epoch"]), *(f"{100 * line[part]:.1f}" for part in DECISIONS)] for line in lines]
    title = f"{name}: what became of the labels"
    last = ", ".join(f"{part} {values[-1]:.1f}" for part, (_, values) in drawn.items())
    figures = [
        Figure(
            curves(f"{name}-shares", drawn, "epoch", "% of the labels"),
            title,
            f"Labels of {name} that were kept, corrected and dropped, in percent by epoch. In the last epoch: {last}.",
            table=Table(["epoch", *DECISIONS], rows, f"Labels of {name}, in percent", 0),
        )
    ]
    return figures + ([precision_figure(name, quality)] if quality else [])


def precision_figure(name: str, quality: list[dict[str, Any]]) -> Figure:
    """Share of right labels among those that were kept, corrected and dropped."""
    parts = {
        "labels_right": "all, before",
        "kept_right": "kept",
        "corrected_right": "corrected",
        "dropped_right": "dropped",
    }
    drawn = {}
    for key, words in parts.items():
        known = [line for line in quality if line[key] is not None]
        if known:
            drawn[words] = np.array([line["epoch"] for line in known]), np.array([100 * line[key] for line in known])
    rows = [
        [str(line["epoch"]), *("–" if line[key] is None else f"{100 * line[key]:.1f}" for key in parts)]
        for line in quality
    ]
    title = f"{name}: right labels among them"
    last = ", ".join(f"{words} {values[-1]:.1f}" for words, (_, values) in drawn.items())
    return Figure(
        curves(f"{name}-precision", drawn, "epoch", "% right", bottom=None),
        title,
        f"Share of right labels among those that were kept, corrected and dropped, in percent by epoch. At the end: "
        f"{last}.",
        "By the true speakers, for this report only. A gate works if kept labels are right more often than all labels, "
        "and dropped ones less often.",
        Table(["epoch", *parts.values()], rows, f"{title}, in percent", 0),
    )
