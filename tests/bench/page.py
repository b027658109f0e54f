"""A page in Markdown that is shown and saved while it grows."""

from pathlib import Path


class Page:
    """Lines of a page. Each goes to the terminal at once, and the file holds all lines so far.

    Args:
        out: the file. None: the terminal only.
    """

    def __init__(self, out: Path | None):
        self.out = out
        self.lines: list[str] = []
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)

    def text(self, line: str) -> None:
        """Add a line of text."""
        self.lines.append(line)
        print(line, flush=True)
        if self.out:
            self.out.write_text("\n".join(self.lines) + "\n")

    def row(self, *cells: str) -> None:
        """Add a row of a table."""
        self.text(f"| {' | '.join(cells)} |")
