"""The clock of a training, its lines in the log and in metrics.jsonl."""

import json
import math
import time
from pathlib import Path
from typing import Any

from ..console import log
from ..errors import RecipeError
from ..files import read_json_lines, write_text


class Clock:
    """Time and steps since the start of this process. Steps before an interruption are not counted.

    Args:
        total_steps: steps of the whole run.
        max_hours: the run stops after this time.

    Attributes:
        done: steps of this process.
        saved: time of the last checkpoint.
        waited: seconds that this epoch waited for data.
    """

    def __init__(self, total_steps: int, max_hours: float):
        self.total, self.max_hours = total_steps, max_hours
        self.started = self.saved = self.epoch_started = time.monotonic()
        self.done = 0
        self.waited = 0.0

    def begin_epoch(self) -> None:
        """Restart the times of the epoch."""
        self.epoch_started, self.waited = time.monotonic(), 0.0

    @property
    def time_is_up(self) -> bool:
        """True if max_hours have passed."""
        return time.monotonic() - self.started >= 3600 * self.max_hours

    def checkpoint_is_due(self, minutes: float) -> bool:
        """True if the last checkpoint is older than this."""
        return time.monotonic() - self.saved >= 60 * minutes

    def seconds_left(self, steps_before: int) -> float:
        """Estimated seconds for the rest of the run, after `steps_before` steps of the whole run."""
        return (self.total - steps_before) * (time.monotonic() - self.started) / max(1, self.done)


class Metrics:
    """OUT_DIR/metrics.jsonl, one line per epoch.

    Args:
        out_dir: OUT_DIR.
        epochs_before: number of lines to keep of an interrupted run. Further lines are of epochs that are repeated.
    """

    def __init__(self, out_dir: Path, epochs_before: int):
        self.out_dir, self.path = out_dir, out_dir / "metrics.jsonl"
        self.lines = [json.dumps(line) for line in read_json_lines(self.path)[:epochs_before]]

    def add(self, line: dict[str, Any], epochs: int, seconds_left: float, write: bool) -> dict[str, Any]:
        """Write and log the line of an epoch.

        Args:
            line: the figures of the epoch.
            epochs: epochs of the run.
            seconds_left: for the log.
            write: False in processes that do not write files.

        Returns:
            The line with numbers of six digits, as it was written.

        Raises:
            RecipeError: a figure is NaN or infinite.
        """
        bad = [k for k, v in line.items() if isinstance(v, float) and not math.isfinite(v)]
        if bad:
            raise RecipeError(
                f"{self.out_dir}: {', '.join(bad)} not finite after epoch {line['epoch']}: lower optimiser.lr"
            )
        line = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in line.items()}
        self.lines.append(json.dumps(line))
        if write:
            write_text(self.path, "\n".join(self.lines) + "\n")
            shown = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in list(line.items())[1:])
            log.info("epoch %d of %d: %s, %.0f s left", line["epoch"], epochs, shown, seconds_left)
        return line

    def before(self, epoch: int) -> list[dict[str, Any]]:
        """The lines before an epoch (from 0)."""
        return [json.loads(line) for line in self.lines[:epoch]]
