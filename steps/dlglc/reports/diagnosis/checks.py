"""All checks, and what they find in an experiment."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .clusters import check_sessions, check_sizes, check_stability
from .experiment import Experiment, Finding
from .rates import check_error_rates, check_rounds
from .trainings import check_collapse, check_gates, check_held_out

CHECKS: dict[str, Callable[[Experiment], list[Finding] | str]] = {
    "collapse": check_collapse,
    "gates": check_gates,
    "rounds that change nothing": check_held_out,
    "error rates": check_error_rates,
    "rounds that get worse": check_rounds,
    "sizes of clusters": check_sizes,
    "clusters that change with the seed": check_stability,
    "clusters that are sessions": check_sessions,
}


class Diagnosis(NamedTuple):
    """All that was found.

    Attributes:
        found: the problems.
        checked: names of the checks that could be made.
        unchecked: names of those that could not, each with the reason.
    """

    found: list[Finding]
    checked: list[str]
    unchecked: list[str]


def diagnose(exp_dir: Path, data: Path | None) -> Diagnosis:
    """Look for known problems in an experiment.

    Args:
        exp_dir: its directory.
        data: its data directory. Sessions and true speakers are used where they are known.
    """
    experiment = Experiment(exp_dir, data)
    found: list[Finding] = []
    checked, unchecked = [], []
    for name, check in CHECKS.items():
        result = check(experiment)
        if isinstance(result, str):
            unchecked.append(f"{name} ({result})")
        else:
            checked.append(name)
            found += result
    return Diagnosis(found, checked, unchecked)
