"""The part of the page on trials: DET curves, and the distribution of scores."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from scipy.stats import norm

from ...arrays import Array
from ...data.tables import read_trials
from ...scoring.metrics import Roc, equal_error_rate, rates, roc
from ...scoring.scores import read_scores
from ..records import BACKENDS, systems_of
from ..staleness import outdated
from .blocks import Block, Figure, Row, Section, Table
from .drawing import INK, MUTED, SERIES, canvas, legend_above, style_of, to_svg

POINTS = 150  # most points of a curve
MOST = 6  # systems in one figure: the first and the last ones
TICKS = (0.001, 0.01, 0.05, 0.2, 0.4)  # of both axes of a DET curve
LOWEST = 5e-4  # rates below it are drawn there: a DET curve has no place for 0


class Scored(NamedTuple):
    """The scores of a system on the first trial list."""

    system: str
    backend: str
    curve: Roc


def read_scored(exp_dir: Path, trials: Path) -> list[Scored]:
    """The scores of all systems on a trial list, without stale ones.

    Raises:
        RecipeError: a score file does not belong to the trials.
    """
    enrol, test, target = read_trials(trials)
    found = []
    for system in systems_of(exp_dir):
        for backend in BACKENDS:
            file = system / "scores" / backend
            if file.exists() and not outdated(file):
                curve = roc(read_scores(file, enrol, test, trials), np.array(target))
                found.append(Scored(system.name, backend, curve))
    return found


def scores_section(scored: list[Scored]) -> Section:
    """DET curves of each back-end, and the scores of the last system."""
    blocks: list[Block] = []
    groups = {name: [one for one in scored if one.backend == name] for name in BACKENDS}
    figures = [det_figure(backend, group) for backend, group in groups.items() if group]
    if figures:
        blocks.append(Row(figures))
        last = [one for one in scored if one.system == scored[-1].system]
        blocks.append(Row([histogram_figure(one) for one in last]))
    return Section("trials", "Trials", blocks)


def det_figure(backend: str, group: list[Scored]) -> Figure:
    """DET curves of several systems by one back-end."""
    shown = group if len(group) <= MOST else [*group[:2], *group[2 - MOST :]]
    points = {one.system: rates(*one.curve.counts()) for one in shown}
    with canvas(4.2) as (figure, axes):
        for place, (name, (miss, alarm)) in enumerate(points.items()):
            chosen = thinned(len(miss))
            axes.plot(
                deviate(alarm[chosen]), deviate(miss[chosen]), label=name, **{**style_of(place), "marker": "None"}
            )
        low, high = deviate(np.array([LOWEST, 0.6]))
        axes.plot([low, high], [low, high], color=MUTED, linewidth=0.8, linestyle=":")
        places, names = deviate(np.array(TICKS)), [f"{100 * tick:g}" for tick in TICKS]
        axes.set_xticks(places, names)
        axes.set_yticks(places, names)
        axes.set(xlim=(low, high), ylim=(low, high), xlabel="false alarms, %", ylabel="misses, %")
        legend_above(figure)
        svg = to_svg(figure, f"det-{backend}")
    rows = [[name, *det_row(miss, alarm)] for name, (miss, alarm) in points.items()]
    head = ["system", "EER %", *(f"misses % at {100 * rate:g} % false alarms" for rate in TICKS[:3])]
    title = f"DET curves by {BACKENDS[backend]}"
    said = "; ".join(f"{row[0]}: EER {row[1]} %" for row in rows)
    return Figure(
        svg,
        title,
        f"{title}: rate of misses over rate of false alarms, both on the scale of the normal distribution. {said}.",
        "Nearer to the lower left corner is better. A curve meets the dotted line at its EER.",
        Table(head, rows, title),
    )


def deviate(rates: Array) -> Array:
    """Rates on the scale of the normal distribution."""
    found: Array = norm.ppf(np.clip(rates, LOWEST, 1 - LOWEST))
    return found


def det_row(miss: Array, alarm: Array) -> list[str]:
    """EER, and the lowest rate of misses at some rates of false alarms, in percent."""
    eer = 100 * equal_error_rate(miss, alarm)
    return [f"{eer:.2f}", *(f"{100 * miss[alarm <= rate].min():.1f}" for rate in TICKS[:3])]


def thinned(count: int) -> Array:
    """Numbers of at most POINTS of `count` points: even steps, and each of the ends."""
    chosen: Array = np.unique(np.linspace(0, count - 1, min(count, POINTS)).round().astype(int))
    return chosen


def histogram_figure(one: Scored) -> Figure:
    """Distribution of the scores of target and nontarget trials."""
    scores, target = one.curve.scores, one.curve.target
    low, high = np.quantile(scores, [0.0005, 0.9995])
    edges = np.linspace(low, high, 51)
    parts = {"nontarget": scores[~target], "target": scores[target]}
    threshold = threshold_of(one.curve)
    with canvas() as (figure, axes):
        for place, (name, values) in enumerate(parts.items()):
            axes.stairs(share(values, edges), edges, fill=True, color=SERIES[place], alpha=0.35)
            axes.stairs(share(values, edges), edges, color=SERIES[place], linewidth=1.6, label=name)
        axes.axvline(threshold, color=INK, linestyle="--", linewidth=1.4, label="threshold of the EER")
        axes.set(xlabel="score", ylabel="% of the trials", xlim=(low, high))
        legend_above(figure)
        svg: Markup = to_svg(figure, f"scores-{one.backend}")
    rows = [
        [
            name,
            str(len(values)),
            *(f"{v:.3g}" for v in (values.mean(), values.std(), *np.quantile(values, [0.05, 0.95]))),
        ]
        for name, values in parts.items()
    ]
    title = f"Scores of {one.system} by {BACKENDS[one.backend]}"
    return Figure(
        svg,
        title,
        f"{title}. Mean of target trials {rows[1][2]}, of nontarget trials {rows[0][2]}. The threshold at which both "
        f"error rates are equal is {threshold:.3g}.",
        table=Table(["trials", "number", "mean", "deviation", "5 % quantile", "95 % quantile"], rows, title),
    )


def threshold_of(curve: Roc) -> float:
    """The lowest threshold at which misses are at least as frequent as false alarms: that of the EER."""
    miss, alarm = rates(*curve.counts())
    return float(curve.thresholds[int(np.argmax(miss >= alarm))])


def share(values: Array, edges: Array) -> Array:
    """Percentage of the values in each bin."""
    percent: Array = 100 * np.histogram(values, edges)[0] / len(values)
    return percent
