"""Markdown tables: alignment, cells, and what is not there."""

from dlglc.reports.markdown import markdown_table, record_table


def test_the_first_columns_stand_left_and_numbers_right():
    table = markdown_table(["system", "back-end", "EER"], [["dino", "cosine", "9.1"], ["a", "b", "c"]], left=2)
    assert table.splitlines() == [
        "| system | back-end | EER |",
        "|---|---|---:|",
        "| dino | cosine | 9.1 |",
        "| a | b | c |",
    ]
    assert markdown_table(["a"], []) == "| a |\n|---|"


def test_records_by_key():
    records = [{"epoch": 1, "loss_aam": 1 / 3, "gate": "off"}, {"epoch": 2, "loss_aam": None, "other": 5}]
    assert record_table(records, ["epoch", "loss_aam", "gate"]).splitlines() == [
        "| epoch | loss aam | gate |",
        "|---|---|---|",
        "| 1 | 0.3333 | off |",
        "| 2 | – | – |",
    ]
