"""The lines of metrics.jsonl, and the clock of a run."""

import json
import math
import time

import pytest

from dlglc.errors import RecipeError
from dlglc.training.progress import Clock, Metrics


def test_lines_are_added_and_logged(tmp_path, caplog):
    metrics = Metrics(tmp_path, 0)
    with caplog.at_level("INFO"):
        line = metrics.add({"epoch": 1, "loss": 1 / 3, "gate": "off", "threshold": None}, 4, 90.0, write=True)
    assert line == {"epoch": 1, "loss": 0.333333, "gate": "off", "threshold": None}
    assert "epoch 1 of 4: loss 0.3333, gate off, threshold None, 90 s left" in caplog.text
    metrics.add({"epoch": 2, "loss": 1e-9}, 4, 0.0, write=True)
    found = [json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert found == [line, {"epoch": 2, "loss": 1e-9}]


def test_an_interrupted_run_keeps_the_lines_of_its_finished_epochs(tmp_path):
    first = Metrics(tmp_path, 0)
    for epoch in (1, 2, 3):
        first.add({"epoch": epoch, "run": 1}, 3, 0.0, write=True)
    again = Metrics(tmp_path, 2)  # epoch 3 is made again
    again.add({"epoch": 3, "run": 2}, 3, 0.0, write=True)
    found = [json.loads(text) for text in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["epoch"], line["run"]) for line in found] == [(1, 1), (2, 1), (3, 2)]


def test_processes_that_only_look_on_write_nothing(tmp_path, caplog):
    with caplog.at_level("INFO"):
        assert Metrics(tmp_path, 0).add({"epoch": 1, "loss": 2.0}, 1, 0.0, write=False)["loss"] == 2.0
    assert not (tmp_path / "metrics.jsonl").exists()
    assert caplog.text == ""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_figures_that_are_not_finite_are_named(tmp_path, value):
    metrics = Metrics(tmp_path, 0)
    with pytest.raises(RecipeError, match=r"loss, cosine not finite after epoch 3: lower optimiser\.lr"):
        metrics.add({"epoch": 3, "loss": value, "lr": 0.1, "cosine": value}, 5, 0.0, write=True)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_the_clock_of_a_run():
    clock = Clock(100, math.inf)
    assert not clock.time_is_up
    assert clock.checkpoint_is_due(0.0) and not clock.checkpoint_is_due(1000.0)
    assert Clock(100, 0.0).time_is_up
    clock.started -= 50.0  # as if 50 s had passed
    clock.done = 20
    before = time.monotonic()
    left = clock.seconds_left(40)
    passed = time.monotonic() - before
    # 60 steps are left; 20 steps took 50 s and what has passed since.
    assert 60 * 50 / 20 <= left <= 60 * (50 + passed + 600) / 20
    assert clock.seconds_left(100) == 0
    clock.waited = 3.0
    clock.begin_epoch()
    assert clock.waited == 0.0


def test_time_left_is_finite_before_the_first_step():
    assert math.isfinite(Clock(100, math.inf).seconds_left(0))
