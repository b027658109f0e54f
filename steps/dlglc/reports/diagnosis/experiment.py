"""An experiment as the checks see it."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

from ...data.tables import read_table
from ..records import read_experiment, read_lines, read_stamp, systems_of
from ..truth import true_speakers


class Finding(NamedTuple):
    """A problem.

    Attributes:
        place: the system, or where else the problem is.
        problem: what was found, with its figures.
        remedy: what to do.
    """

    place: str
    problem: str
    remedy: str


class Experiment:
    """An experiment and its records.

    Args:
        exp_dir: its directory.
        data: its data directory, for sessions and true speakers; None = they are not known.
    """

    def __init__(self, exp_dir: Path, data: Path | None):
        self.exp_dir, self.data = exp_dir, data
        self.speakers = true_speakers(data, "train")
        self.systems = systems_of(exp_dir)
        self.lines = {system: read_lines(system / "metrics.jsonl") for system in self.systems}
        self.rounds = [system for system, lines in self.lines.items() if lines and "kept" in lines[0]]
        self.records = read_experiment(exp_dir) if any(exp_dir.glob("*/scores")) else []

    def settings(self, system: Path, idea: str) -> dict[str, Any]:
        """Settings of a training."""
        found: dict[str, Any] = read_stamp(system / "stamp.json", "settings").get(idea, {})
        return found

    @functools.cached_property
    def clusters(self) -> dict[Path, dict[str, str]]:
        """The clusters of each trained system."""
        files = {s: s / "clusters/utt2cluster" for s in self.systems if s.name != "untrained"}
        return {system: read_table(file) for system, file in files.items() if file.exists()}

    def eer(self, system: str, backend: str) -> dict[str, Any] | None:
        """The record of a system and a back-end."""
        return next((r for r in self.records if (r["system"], r["backend"]) == (system, backend)), None)


def percent(share: float) -> str:
    """A share in percent, in words."""
    return f"{100 * share:.1f} %"
