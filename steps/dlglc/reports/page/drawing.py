"""Drawings of the report page: matplotlib's SVG, whose colours and fonts the page sets.

matplotlib draws because the recipe has it already, and because its SVG is small: a figure takes 5 to 30 kB, where a
plotting library in JavaScript adds 1 to 4 MB to each page. Text stays text. Colours are variables of the page's style
sheet, so the same drawing serves a light and a dark page.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from ...arrays import Array

# Colours that stand for variables of style.css. No drawing has these colours by chance.
INK, MUTED, GRID = "#fa0001", "#fa0002", "#fa0003"
SERIES = tuple(f"#fb000{place}" for place in range(1, 7))
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)), (0, (8, 2)))
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid"} | {c: f"--series{i}" for i, c in enumerate(SERIES, 1)}

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dlg-lc",  # the same figures give the same file
    "text.parse_math": False,  # a $ in an id is a $
    "font.size": 11,
    "axes.titlesize": 11,
    "legend.fontsize": 10.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "grid.color": GRID,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}
WIDTH, HEIGHT = 5.0, 3.3  # inches of 72 units; at 360 pixels a text of 11 is still readable


@contextmanager
def canvas(height: float = HEIGHT) -> Iterator[tuple[Canvas, Axes]]:
    """A figure with one pair of axes, in the style of the page."""
    with matplotlib.rc_context(STYLE):
        figure = Canvas(figsize=(WIDTH, height), layout="constrained")
        yield figure, figure.add_subplot()


def style_of(place: int) -> dict[str, Any]:
    """Colour, marker and dashes of a line: each line differs in more than its colour."""
    return {
        "color": SERIES[place % len(SERIES)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": DASHES[place % len(DASHES)],
    }


def whole_numbers(axes: Axes) -> None:
    """Ticks of the x axis at whole numbers only."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend_above(figure: Canvas) -> None:
    """The legend above the axes, in two or three columns."""
    entries = sum(len(axes.get_legend_handles_labels()[1]) for axes in figure.axes)
    columns = 2 if entries in (2, 4) else 3
    figure.legend(loc="outside upper left", ncols=columns, borderaxespad=0.2, columnspacing=1.2, handlelength=2.6)


def curves(
    key: str,
    lines: dict[str, tuple[Array, Array]],
    x: str,
    y: str,
    level: tuple[str, float] | None = None,
    bottom: float | None = 0.0,
) -> Markup:
    """Lines over whole numbers such as epochs.

    Args:
        key: unique in the page.
        lines: x and y of each line, by name.
        x, y: titles of the axes.
        level: name and height of a dotted line.
        bottom: the lowest value that the y axis shows at least; None = the values decide.
    """
    with canvas() as (figure, axes):
        for place, (name, (at, values)) in enumerate(lines.items()):
            marker = {"marker": "None"} if len(at) > 30 else {}
            axes.plot(at, values, label=name, **{**style_of(place), **marker})
        if level:
            axes.axhline(level[1], color=MUTED, linestyle=":", label=level[0])
        if bottom is not None:
            highest = max(float(np.max(values)) for _, values in lines.values())
            axes.set_ylim(bottom, 1.08 * max(highest, level[1] if level else 0.0) or 1.0)
        axes.set(xlabel=x, ylabel=y)
        whole_numbers(axes)
        if len(lines) > 1 or level:
            legend_above(figure)
        return to_svg(figure, key)


def to_svg(figure: Canvas, key: str) -> Markup:
    """The drawing as an element of a page.

    Args:
        figure: made by canvas(), and still in it.
        key: unique in the page; ids of the drawing begin with it.

    Returns:
        an svg element without size. What it shows has to be said beside it: it is hidden from screen readers.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Type": None, "Format": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="([-0-9. ]+)"', text)
    head = f'<svg viewBox="{box[1] if box else ""}" aria-hidden="true" focusable="false">'
    text = re.sub(r"<svg [^>]*>", head, text, count=1)
    text = re.sub(r"font-family:[^;\"]*;? ?", "", text)
    text = re.sub(r'<g id="frame(\d+)(?:_\d+)?"', r'<g class="frame" data-frame="\1"', text)
    text = re.sub(r'<g id="points[^"]*"', '<g class="points"', text)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'( id="| xlink:href="#|url\(#)', rf"\1{slug(key)}-", text).replace("xlink:href", "href")
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return Markup(shortened(text))


def slug(name: str) -> str:
    """A name as part of an id."""
    return re.sub(r"[^\w-]+", "-", name)


def shortened(svg: str) -> str:
    """The same drawing in half the bytes: tenths of a unit, no empty turns, one style for a row of markers."""
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d+\.\d)\d+", r"\1", tag[0]), svg)  # not in texts
    svg = re.sub(r"\s*\n\s*", " ", svg)
    # Markers stand in a group of their own, each with the same style.
    return re.sub(r'<g([^>]*)>((?: ?<use [^>]*style="([^"]*)"/>)+) ?</g>', _with_one_style, svg)


def _with_one_style(group: re.Match[str]) -> str:
    attributes, markers, style = group.groups()
    if markers.count(f'style="{style}"') != markers.count("<use"):
        return group[0]
    plain = markers.replace(f' style="{style}"', "")
    return f'<g{attributes} style="{style}">{plain}</g>'


def frame(number: int) -> str:
    """The gid of an artist that belongs to a frame of a slider."""
    return f"frame{number}"


POINTS = "points"  # the gid of markers that the page names under the pointer, in the order in which they are drawn
