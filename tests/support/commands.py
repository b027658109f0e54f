"""dlg-lc in this process."""

import json
from typing import Any, NamedTuple

import pytest

from dlglc.front.command import main


class Said(NamedTuple):
    """What a command said.

    Attributes:
        out, err: both streams.
        status: of its exit.
    """

    out: str
    err: str
    status: int

    @property
    def json(self) -> Any:
        """The one JSON object on standard output."""
        return json.loads(self.out)


def dlg_lc(capsys: pytest.CaptureFixture[str], *words: object) -> Said:
    """Run dlg-lc with these words."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return Said(captured.out, captured.err, end.value.code)
