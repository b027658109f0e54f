"""The options of both trainers, as the user gives them."""

import math
import sys
from pathlib import Path

from dlglc.console import parser
from dlglc.training.options import add_training_options, training_options


def options(*words):
    options = parser(None)
    add_training_options(options)
    options.add_argument("out_dir", type=Path)
    return training_options(options.parse_args(list(words)))


def test_defaults():
    found = options("exp/dino")
    assert found.out_dir == Path("exp/dino")
    assert (found.noise, found.rirs, found.seed, found.device, found.overwrite) == (None, None, 0, "auto", False)
    assert found.max_hours == math.inf


def test_what_is_given_arrives(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["steps/train_dino.py", "a b", "--seed", "3"])
    found = options(
        *("--noise", "data/noise", "--rirs", "data/rirs", "--seed", "3", "--device", "cpu"),
        *("--max-hours", "1.5", "--overwrite", "out"),
    )
    assert (found.noise, found.rirs) == (Path("data/noise"), Path("data/rirs"))
    assert (found.seed, found.device, found.max_hours, found.overwrite) == (3, "cpu", 1.5, True)
    assert found.command == "steps/train_dino.py 'a b' --seed 3"
