"""Plots: valid SVG with the names of what is compared, and the same bytes for the same figures."""

from xml.etree import ElementTree

import pytest

from dlglc.reports.plots import DINO_FIGURES, plot_dino, plot_rounds


@pytest.fixture
def found(tmp_path):
    """Records of two variants over two rounds and two seeds, and of DINO."""
    eers = {"round1": (8, 9), "round2": (6, 7), "lgl1": (9, 9), "lgl2": (8, 7), "dino": (12, 13), "untrained": (40, 41)}
    return {
        (system, backend): {tmp_path / str(seed): {"eer": float(eer)} for seed, eer in enumerate(values)}
        for system, values in eers.items()
        for backend in ("cosine", "plda")
    }


def drawn(path):
    """The whole text of an SVG, comments included: matplotlib draws letters as shapes and names them in comments."""
    ElementTree.fromstring(path.read_bytes())
    return path.read_text()


def test_lines_for_variants_and_levels_for_single_systems(found, tmp_path):
    plot_rounds(found, tmp_path / "eer.svg")
    text = drawn(tmp_path / "eer.svg")
    for word in ("<!-- round -->", "<!-- lgl -->", "<!-- dino -->", "<!-- cosine -->", "<!-- PLDA -->"):
        assert word in text
    assert "untrained" not in text


def test_the_same_figures_give_the_same_file(found, tmp_path):
    for name in ("one.svg", "two.svg"):
        plot_rounds(found, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    changed = {**found, ("round2", "plda"): {tmp_path: {"eer": 6.3}}}
    plot_rounds(changed, tmp_path / "three.svg")
    assert (tmp_path / "three.svg").read_bytes() != (tmp_path / "one.svg").read_bytes()


def test_a_plot_of_levels_alone(found, tmp_path):
    plot_rounds({key: group for key, group in found.items() if key[0] == "dino"}, tmp_path / "eer.svg")
    assert "<!-- dino -->" in drawn(tmp_path / "eer.svg")


def test_a_panel_for_each_figure_of_dino(tmp_path):
    lines = [{"epoch": epoch, **{key: 1.0 + epoch for key in DINO_FIGURES}} for epoch in (1, 2, 3)]
    plot_dino({"with centre": lines, "without": lines[:2]}, 6.2, tmp_path / "dino.svg")
    text = drawn(tmp_path / "dino.svg")
    for word in (*DINO_FIGURES.values(), "with centre", "without"):
        assert f"<!-- {word} -->" in text
