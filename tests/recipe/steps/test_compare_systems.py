"""Differences of systems over seeds: what is paired with what, and the means and intervals written out."""

import json
import re

import numpy as np
import pytest
from scipy.stats import t as student

# EER in percent of four rounds by seed; b's second round is there for one seed only.
EERS = {"a1": [8.0, 9.0, 7.0], "a2": [6.0, 8.0, 7.0], "b1": [7.0, 8.5, 7.0], "b2": [5.0], "dino": [10.0, 9.5, 11.0]}


@pytest.fixture
def seeds(tmp_path):
    """An experiment directory per seed, as stage 6 leaves it."""
    directories = [tmp_path / f"seed{seed}" for seed in range(3)]
    for system, eers in EERS.items():
        for directory, eer in zip(directories, eers):
            (directory / system / "scores").mkdir(parents=True)
            figures = json.dumps({"eer": eer, "mindcf_0.05": 0.5})
            (directory / system / "scores/cosine.json").write_text(figures)
    return directories


def table(script, seeds, tmp_path, reference):
    script("steps/compare_systems.py", "--against", reference, tmp_path / "out", *seeds)
    rows = re.findall(r"^\| ([^|]+) \| cosine \| (\S+) \| (\S+) \| ([^|]+) \|", read(tmp_path), re.MULTILINE)
    return {name: (float(less), float(relative), between) for name, less, relative, between in rows}


def read(tmp_path):
    return (tmp_path / "out/RESULTS.md").read_text()


def test_against_a_system(script, seeds, tmp_path):
    rows = table(script, seeds, tmp_path, "a1")
    assert rows.keys() == {"a2", "b1", "b2", "dino"}
    assert rows["a2"][:2] == (-1.0, -12.5)
    differences = np.array([-2.0, -1.0, 0.0])
    half = student.ppf(0.975, 2) * differences.std(ddof=1) / 3**0.5
    assert rows["a2"][2] == f"{-1 - half:+.2f} … {-1 + half:+.2f}"
    assert rows["b2"] == (-3.0, -37.5, "–")  # the one seed that both have


def test_against_a_variant_round_by_round(script, seeds, tmp_path):
    rows = table(script, seeds, tmp_path, "a")
    assert "## Difference to a, round by round" in read(tmp_path)
    assert rows.keys() == {"b1", "b2", "b, mean of 2 rounds"}
    assert rows["b1"][:2] == (-0.5, -6.2)
    assert rows["b2"] == (-1.0, -16.7, "–")
    assert rows["b, mean of 2 rounds"] == (-1.0, -14.3, "–")  # seed 0: 6.0 against 7.0


def test_nothing_to_compare_with(script, seeds, tmp_path):
    done = script("steps/compare_systems.py", "--against", "lgl", tmp_path / "out", *seeds, check=False)
    assert done.returncode == 1
    assert "--against lgl" in done.stderr and "a1, a2, b1, b2" in done.stderr
    assert not (tmp_path / "out").exists()
