"""dlg-lc info prints the card."""

import dlglc
from support.commands import dlg_lc


def test_the_card(bundles, capsys):
    model = dlglc.load(bundles.labelled)
    text = dlg_lc(capsys, "info", bundles.labelled).out
    assert text.startswith("# small-small\n")
    assert f"Bundle {model.id}" in text and "model.onnx" in text
    assert dlg_lc(capsys, "info", "--json", bundles.labelled).json == {**model.card, "bundle": model.id}
