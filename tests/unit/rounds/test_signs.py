"""The choice of an epoch, and what asks for it."""

import subprocess
import sys

import pytest

from dlglc.rounds.held_out import WORST
from dlglc.rounds.signs import chosen_epoch
from support.scripts import environment


@pytest.mark.parametrize(
    ("start", "epochs", "chosen"),
    [(3.0, [], 0), (3.0, [3.0, 3.0], 0), (3.0, [4.0, 2.0, 2.0], 2), (3.0, [1.0, 2.0], 1), (WORST, [WORST, 99.0], 2)],
)
def test_the_first_epoch_with_the_lowest_rate_is_chosen(start, epochs, chosen):
    assert chosen_epoch(start, epochs) == chosen


@pytest.mark.parametrize("module", ["dlglc.reports.choice", "dlglc.reports.pages"])
def test_reports_do_without_torch(module):
    """It takes longer to import than they take to write."""
    program = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], env=environment(), check=False).returncode == 0
