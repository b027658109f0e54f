"""What trials share: the libraries, imported once, and a tiny corpus on which all steps were run."""

from pathlib import Path

import pytest

from faults.campaign import write_trials
from faults.forks import warm_up
from faults.kills import Kitchen
from support.corpora import make_tiny


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory) -> Kitchen:
    """All steps, each in a state in which those before it are done."""
    top: Path = tmp_path_factory.mktemp("faults")
    warm_up()
    (top / "tiny").mkdir()
    make_tiny(top / "tiny")
    write_trials(top / "tiny")
    kitchen = Kitchen(top / "kitchen", top / "tiny")
    kitchen.cook()
    return kitchen
