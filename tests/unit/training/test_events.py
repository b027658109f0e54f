"""TensorBoard events: read by TensorBoard itself, each epoch once, whatever became of the run."""

import json
import math
import struct

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dlglc.errors import RecipeError
from dlglc.training.events import BINS, Events, numbers
from support.training import figures
from unit.training.noisy import Noisy, start

LOSSES = {0: np.linspace(-3, 3, 500), 1: np.array([0.25, 0.25])}


def read(out_dir):
    """What TensorBoard finds: scalars as {name: [(step, value)]}, histograms as {name: [(step, HistogramProto)]}."""
    found = EventAccumulator(str(out_dir / "tensorboard"), size_guidance={"scalars": 0, "histograms": 0})
    found.Reload()
    scalars = {name: [(e.step, e.value) for e in found.Scalars(name)] for name in found.Tags()["scalars"]}
    histograms = {
        name: [(e.step, e.histogram_value) for e in found.Histograms(name)] for name in found.Tags()["histograms"]
    }
    return scalars, histograms


def records(out_dir):
    """Number of records in all event files, counted by hand."""
    count = 0
    for file in (out_dir / "tensorboard").iterdir():
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack_from("<Q", data)
            count, data = count + 1, data[length + 16 :]
    return count


def test_figures_and_histograms_of_two_epochs(tmp_path):
    events = Events(tmp_path, [], lambda epoch: {"log_loss": LOSSES[epoch]})
    events.add({"epoch": 1, "loss": 2.5, "gate": "off", "threshold": None, "mixture_means": [-1.0, 2.0]})
    events.add({"epoch": 2, "loss": 1.5, "gate": "crossing", "threshold": 0.75, "mixture_means": [-2.0, 3.0]})
    scalars, histograms = read(tmp_path)
    assert scalars == {
        "loss": [(1, 2.5), (2, 1.5)],
        "threshold": [(2, 0.75)],
        "mixture_means_1": [(1, -1.0), (2, -2.0)],
        "mixture_means_2": [(1, 2.0), (2, 3.0)],
    }
    (first, one), (second, two) = histograms["log_loss"]
    assert (first, second) == (1, 2)
    assert (one.min, one.max, one.num) == (-3, 3, 500)
    assert sum(one.bucket) == 500
    assert len(one.bucket) == BINS + 1  # the first is empty: it is the left edge
    assert (two.min, two.max, sum(two.bucket)) == (0.25, 0.25, 2)


def test_only_numbers_are_points():
    line = {"epoch": 3, "lr": 0.1, "gate": "off", "threshold": None, "steps": 4, "weights": [0.25, 0.75]}
    assert list(numbers(line)) == [("lr", 0.1), ("steps", 4), ("weights_1", 0.25), ("weights_2", 0.75)]


def test_a_run_that_goes_on_has_each_epoch_once(tmp_path):
    before = Events(tmp_path, [], lambda epoch: {})
    lines = [{"epoch": epoch, "loss": float(epoch)} for epoch in (1, 2, 3)]
    for line in lines:
        before.add(line)
    # Epoch 3 is repeated: it ended after the last checkpoint.
    again = Events(tmp_path, lines[:2], lambda epoch: {})
    again.add({"epoch": 3, "loss": 7.0})
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    assert read(tmp_path)[0] == {"loss": [(1, 1.0), (2, 2.0), (3, 7.0)]}
    assert records(tmp_path) == 1 + 3  # the version of the file, three points


def test_a_training_that_is_stopped_at_every_step_has_the_points_of_one_that_is_not(crops, tmp_path):
    start(crops, tmp_path / "whole", Noisy())
    for _ in range(20):
        try:
            start(crops, tmp_path / "parts", Noisy(), "checkpoint_minutes=0", hours=0)
            break
        except RecipeError as error:
            assert "(--max-hours)" in str(error)
    whole, parts = (read(tmp_path / name)[0] for name in ("whole", "parts"))
    clock = {"seconds", "utterances_per_second", "data_wait"}
    assert whole.keys() == parts.keys() >= {"loss", "noise", "lr", *clock}
    for name in whole.keys() - clock:
        assert whole[name] == parts[name]
    lines = figures(tmp_path / "parts")
    assert whole["loss"] == [(line["epoch"], pytest.approx(line["loss"], rel=1e-6)) for line in lines]
    assert records(tmp_path / "whole") == records(tmp_path / "parts")


def test_a_training_with_nothing_to_do_leaves_its_events(crops, tmp_path):
    start(crops, tmp_path, Noisy())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "tensorboard").iterdir()}
    start(crops, tmp_path, Noisy())
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "tensorboard").iterdir()} == before


def test_a_line_that_was_read_back_is_the_line(tmp_path):
    """Six digits in metrics.jsonl are six digits in the events."""
    line = json.loads(json.dumps({"epoch": 1, "loss": 0.123457}))
    Events(tmp_path, [], lambda epoch: {}).add(line)
    ((_, value),) = read(tmp_path)[0]["loss"]
    assert math.isclose(value, 0.123457, rel_tol=1e-6)
