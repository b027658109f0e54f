"""What trials share: the libraries, imported once, and a tiny corpus on which all steps were run."""

import pytest

from faults.forks import warm_up
from faults.kitchen import Kitchen

# All but those that take long and write as others do: report, contrast.
STEPS = (
    *("prepare", "pack", "finish", "fbank", "dino", "import", "embed", "cluster", "assess", "round", "gate", "plda"),
    *("score", "metrics", "bundle", "verify", "embed npz", "embed ark", "enrol", "search", "remove", "turns", "export"),
)


@pytest.fixture(scope="session")
def kitchen(tmp_path_factory) -> Kitchen:
    """All steps, each in a state in which those before it are done."""
    warm_up()
    kitchen = Kitchen(tmp_path_factory.mktemp("faults") / "kitchen", STEPS)
    kitchen.cook()
    return kitchen
