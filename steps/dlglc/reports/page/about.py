"""The part of the page on what made the results: settings that differ, times, code and machine."""

from pathlib import Path
from typing import Any

import numpy as np

from ...provenance import flatten
from ...settings import SCHEMAS, load_settings
from ...settings.messages import shown
from ..records import read_lines, read_stamp, systems_of
from .blocks import Block, Section, Table, Text


def about_section(exp_dir: Path) -> Section:
    """Settings that differ from the defaults, and the trainings' times and machines."""
    blocks: list[Block] = []
    changed = changed_settings(exp_dir)
    if changed:
        head = ["setting", "value", "default", "of"]
        blocks.append(Table(head, changed, "Settings that differ from conf/*.yaml", 3, words_last=True))
    else:
        blocks.append(Text("All settings are those of conf/*.yaml."))
    rows = [row for system in systems_of(exp_dir) if (row := training_row(system))]
    if rows:
        columns = ["system", "seed", "epochs", "minutes", "utterances per second", "waiting for data %", "made with"]
        blocks.append(Table(columns, rows, "Trainings", words_last=True))
    return Section("about", "Settings, times and machine", blocks)


def changed_settings(exp_dir: Path) -> list[list[str]]:
    """Rows of key, value, default, and the outputs that were made with the value."""
    defaults = {idea: load_settings(schema).model_dump() for idea, schema in SCHEMAS.items()}
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, settings in recorded_settings(exp_dir).items():
        for idea in settings.keys() & defaults.keys():
            values, default = flatten(settings[idea]), flatten(defaults[idea])
            for key in values.keys() & default.keys():
                if values[key] != default[key] and not set_by_script(name, idea, key):
                    row = f"{idea}.{key}", shown(values[key]), shown(default[key])
                    found.setdefault(row, []).append(name)
    return [[*row, ", ".join(names)] for row, names in sorted(found.items())]


def set_by_script(name: str, idea: str, key: str) -> bool:
    """True of the two settings that run.sh sets itself: no epochs of `untrained`, augmentation of rounds."""
    return (name == "untrained" and (idea, key) == ("dino", "epochs")) or (
        name not in ("untrained", "dino") and (idea, key) == ("augment", "probability")
    )


def recorded_settings(exp_dir: Path) -> dict[str, dict[str, Any]]:
    """The settings in the records of trainings, clusters and back-ends: system → {idea: settings}."""
    found = {}
    for system in systems_of(exp_dir):
        records = [system / "stamp.json", system / "clusters/stamp.json", system / "plda.json"]
        records += sorted(system.glob("scores/.*.stamp"))
        settings: dict[str, Any] = {}
        for record in records:
            settings |= read_stamp(record, "settings")
        found[system.name] = {idea: values for idea, values in settings.items() if isinstance(values, dict)}
    return found


def training_row(system: Path) -> list[str]:
    """Seed, epochs, time, speed, code and machine of a training; empty for a system that was not trained."""
    lines = read_lines(system / "metrics.jsonl")
    if not lines:
        return []
    seed = read_stamp(system / "stamp.json", "settings").get("seed", "–")
    seconds = sum(line.get("seconds", 0.0) for line in lines)
    speed = [line["utterances_per_second"] for line in lines if "utterances_per_second" in line]
    waited = sum(line.get("data_wait", 0.0) * line.get("seconds", 0.0) for line in lines) / max(seconds, 1e-9)
    command = (system / "command").read_text().strip().splitlines() if (system / "command").exists() else []
    made = command[-1].lstrip("# ") if command else "–"
    figures = [f"{seconds / 60:.1f}", f"{np.mean(speed):.0f}" if speed else "–", f"{100 * waited:.0f}"]
    return [system.name, str(seed), str(len(lines)), *figures, made]
