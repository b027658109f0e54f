"""Drawings of the page: small, safe, in the page's colours, and readable on both backgrounds."""

import re
import xml.etree.ElementTree as tree
from pathlib import Path

import numpy as np
import pytest

from dlglc.reports.page import drawing
from dlglc.reports.page.drawing import POINTS, SERIES, canvas, curves, frame, slug, to_svg

STYLE = (Path(drawing.__file__).parent / "style.css").read_text()


@pytest.fixture
def svg():
    """Two lines, one with a hostile name, and a level."""
    at = np.arange(1, 5)
    lines = {"<b>$x$ & 1.234": (at, 1.23456 * at), "other": (at, 2.0 * at)}
    return curves("a key/1", lines, "epoch", "loss", ("ln K = 6.24", 6.24))


def test_a_drawing_is_well_formed_and_texts_are_texts(svg):
    root = tree.fromstring(svg)
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"<b>$x$ & 1.234", "other", "ln K = 6.24", "epoch", "loss"} <= set(texts)
    assert root.attrib == {"viewBox": "0 0 360 237.6", "aria-hidden": "true", "focusable": "false"}


def test_colours_and_fonts_are_those_of_the_page(svg):
    variables = set(re.findall(r"var\((--\w+)\)", svg))
    assert {"--ink", "--muted", "--grid", "--series1", "--series2"} <= variables
    assert all(f"{name}:" in STYLE for name in variables)
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []
    assert "font-family" not in svg and "<style" not in svg


def test_a_drawing_is_small_and_the_same_each_time(svg):
    assert len(svg) < 9000
    assert max(len(number) for number in re.findall(r"\.(\d+)", re.sub(r">[^<]*<", "><", svg))) == 1
    at = np.arange(1, 5)
    lines = {"<b>$x$ & 1.234": (at, 1.23456 * at), "other": (at, 2.0 * at)}
    assert curves("a key/1", lines, "epoch", "loss", ("ln K = 6.24", 6.24)) == svg


def test_ids_begin_with_the_key(svg):
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert ids and all(name.startswith("a-key-1-") for name in ids)
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= set(ids)
    assert slug('<img/src="x">') == "-img-src-x-"


def test_frames_and_points():
    with canvas() as (figure, axes):
        for number in (3, 4):
            axes.plot([0, 1], [0, number], gid=frame(number))
        axes.plot([0.2, 0.4, 0.6], [1, 2, 3], "o", gid=POINTS, color=SERIES[2])
        svg = to_svg(figure, "x")
    assert [re.findall(r'class="frame" data-frame="(\d)"', svg)] == [["3", "4"]]
    points = re.search(r'<g class="points">(.*?)</g> </g>', svg)[1]
    assert points.count("<use") == 3
    assert points.count("style=") == 2  # of the marker, and of all its places together


def luminance(colour):
    """Relative luminance of #rrggbb, by WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_lines_and_texts_can_be_seen_on_both_backgrounds(scheme):
    block = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[scheme]
    colours = dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})", block))
    for background in ("--page", "--card"):
        for text in ("--ink", "--muted", "--link"):
            assert contrast(colours[text], colours[background]) >= 4.5
        for number in range(1, 7):
            assert contrast(colours[f"--series{number}"], colours[background]) >= 3
    assert contrast(colours["--ink"], colours["--warn"]) >= 4.5
