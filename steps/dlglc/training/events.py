"""TensorBoard events of a training: the figures of each epoch, and the distributions that the task names.

The events repeat metrics.jsonl for those who watch trainings with TensorBoard. No stage reads them.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

from ..arrays import Array

BINS = 64  # of a histogram


class Events:
    """OUT_DIR/tensorboard, one event file.

    A training that goes on writes a new file with the epochs before, and removes the old one. So each epoch has one
    point. A TensorBoard that was open meanwhile has to be started again.

    An event is on the disk when add() returns. No thread and no process writes in the background.

    Args:
        out_dir: OUT_DIR.
        lines: the epochs before, lines of metrics.jsonl.
        histograms: gives the values of an epoch (from 0) whose distributions are shown, by name.
    """

    def __init__(
        self, out_dir: Path, lines: Iterable[dict[str, Any]], histograms: Callable[[int], dict[str, Array]]
    ) -> None:
        folder = out_dir / "tensorboard"
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self.histograms = histograms
        self.writer = EventsWriter(str(folder / "events"))
        for line in lines:
            self.add(line)

    def add(self, line: dict[str, Any]) -> None:
        """Write the figures and the distributions of an epoch.

        Args:
            line: its line of metrics.jsonl.
        """
        epoch = line["epoch"]
        for name, value in numbers(line):
            self._write(epoch, summary.scalar(name, value))
        for name, values in self.histograms(epoch - 1).items():
            self._write(epoch, summary.histogram(name, values, BINS))
        self.writer.flush()

    def _write(self, epoch: int, content: Summary) -> None:
        self.writer.write_event(Event(wall_time=time.time(), step=epoch, summary=content))


def numbers(line: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The numbers of a line by name, except the epoch. The elements of a list are name_1, name_2, …"""
    for name, value in line.items():
        if isinstance(value, list):
            yield from ((f"{name}_{place}", element) for place, element in enumerate(value, 1))
        elif isinstance(value, (int, float)) and name != "epoch":
            yield name, value
