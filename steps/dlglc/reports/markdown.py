"""Markdown tables."""

from collections.abc import Sequence
from typing import Any


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table of texts.

    Args:
        head: titles of the columns.
        rows: cells, as many in each row as there are titles.
        left: the first columns that are aligned to the left; the others are aligned to the right.
    """
    alignment = "|" + "---|" * left + "---:|" * (len(head) - left)
    return "\n".join([_row(head), alignment, *map(_row, rows)])


def record_table(records: Sequence[dict[str, Any]], keys: Sequence[str]) -> str:
    """A table with one row per record and one column per key; – where a record has no value."""
    rows = [[_cell(record.get(key)) for key in keys] for record in records]
    return markdown_table([key.replace("_", " ") for key in keys], rows, left=len(keys))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
