"""How far a training is: its lines in the log and in metrics.jsonl, and its clock."""

import json
import math
import time
from pathlib import Path
from typing import Any

from ..console import log
from ..errors import RecipeError
from ..files import write_text


class Clock:
    """Time and steps of this process; what an interrupted run did before does not count.

    Args:
        total_steps: of the whole run.
        max_hours: after which the run has to stop.
    """

    def __init__(self, total_steps: int, max_hours: float):
        self.total, self.max_hours = total_steps, max_hours
        self.started = self.saved = self.epoch_started = time.monotonic()
        self.done = 0
        self.waited = 0.0

    def begin_epoch(self) -> None:
        self.epoch_started, self.waited = time.monotonic(), 0.0

    @property
    def over(self) -> bool:
        """True when max_hours are over."""
        return time.monotonic() - self.started >= 3600 * self.max_hours

    def due(self, minutes: float) -> bool:
        """True when the last checkpoint is so long ago."""
        return time.monotonic() - self.saved >= 60 * minutes

    def left(self, steps_before: int) -> float:
        """Seconds that the rest of the run will take, at the rate of this process so far."""
        return (self.total - steps_before) * (time.monotonic() - self.started) / max(1, self.done)


class Metrics:
    """OUT_DIR/metrics.jsonl, a line for each epoch.

    Args:
        epochs_before: lines to keep of an interrupted run; further ones belong to an epoch that is made again.
    """

    def __init__(self, out_dir: Path, epochs_before: int):
        self.out_dir, self.path = out_dir, out_dir / "metrics.jsonl"
        self.lines = self.path.read_text().splitlines()[:epochs_before] if self.path.exists() else []

    def add(self, line: dict[str, Any], epochs: int, seconds_left: float, write: bool) -> dict[str, Any]:
        """Write and log an epoch's line.

        Args:
            write: False in processes that only look on.

        Returns:
            the line as it was written, numbers with six digits.

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
