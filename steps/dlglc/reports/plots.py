"""Plots of the reports, as SVG."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from .comparison import Found
from .records import BACKENDS, variant_and_round

matplotlib.use("svg")  # this needs no display
matplotlib.rcParams["svg.hashsalt"] = "dlg-lc"  # the same figures give the same file
from matplotlib import pyplot  # noqa: E402

DINO_FIGURES = {
    "eer": "EER %",
    "cross_entropy": "DINO loss, nats",
    "teacher_entropy": "teacher entropy of a crop, nats",
    "batch_entropy": "entropy of the batch's mean, nats",
    "embedding_std": "standard deviation of embeddings",
}


def plot_rounds(found: Found, path: Path) -> None:
    """EER of cosine and PLDA by round: one line per variant, a dotted level for each system with a single round."""
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for axis, backend in zip(axes, ("cosine", "plda")):
        variants: dict[str, dict[int, list[float]]] = {}
        for (system, which), group in found.items():
            if which == backend and system != "untrained":
                variant, number = variant_and_round(system)
                variants.setdefault(variant, {})[number] = [r["eer"] for r in group.values()]
        levels = {name: rounds for name, rounds in variants.items() if len(rounds) == 1}
        lines = {name: rounds for name, rounds in variants.items() if len(rounds) > 1}
        for name, rounds in levels.items():
            level = np.mean(list(rounds.values()))
            axis.axhline(level, linestyle=":", color="grey", linewidth=1)
            axis.annotate(name, (1, level), (-2, 2), ("axes fraction", "data"), "offset points", fontsize=7, ha="right")
        for place, (name, rounds) in enumerate(lines.items()):
            means = [np.mean(v) for v in rounds.values()]
            errors = [np.std(v, ddof=1) if len(v) > 1 else 0 for v in rounds.values()]
            shift = 0.06 * (place - (len(lines) - 1) / 2)  # error bars of one round stand side by side
            at = np.array(list(rounds)) + shift
            axis.errorbar(at, means, errors, marker="o", capsize=3, linewidth=1.2, label=name)
        axis.set(title=BACKENDS[backend], xlabel="round", ylabel="EER %")
        axis.xaxis.get_major_locator().set_params(integer=True)
        if lines:
            axis.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def plot_dino(runs: dict[str, list[dict[str, Any]]], uniform: float, path: Path) -> None:
    """One panel per figure, one line per run.

    Args:
        runs: name → lines of metrics.jsonl.
        uniform: ln K, the entropy of uniform outputs: a dotted line.
        path: the SVG file.
    """
    figure, axes = pyplot.subplots(1, len(DINO_FIGURES), figsize=(3.4 * len(DINO_FIGURES), 3.2), layout="constrained")
    for axis, (key, title) in zip(axes, DINO_FIGURES.items()):
        for name, lines in runs.items():
            axis.plot([m["epoch"] for m in lines], [m[key] for m in lines], marker=".", label=name)
        if "entropy" in key:
            axis.axhline(uniform, linestyle=":", color="grey")
        axis.set(title=title, xlabel="epoch")
        axis.title.set_fontsize(9)
        axis.set_ylim(bottom=0)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
