"""The results of an experiment directory as records."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from .. import files
from ..errors import RecipeError
from ..provenance import describe_code, describe_machine, read_record
from .staleness import outdated

ORDER = {"mfcc": 0, "untrained": 1, "contrastive": 2, "dino": 3, "start": 3}  # of systems; round1, round2, … follow
NUMBERS = ("epoch", "seconds", "loss", "kept")  # never null
BACKENDS = {"cosine": "cosine", "asnorm": "AS-norm", "plda": "PLDA"}  # titles, in the order of the tables


def read_experiment(exp_dir: Path) -> list[dict[str, Any]]:
    """One record per system and back-end of EXP_DIR, in the order of the recipe.

    Scores of older embeddings, PLDA or clusters are left out: stale_scores lists them.

    Returns:
        Records with these keys; a value is None where a system does not have it:
            system: name of the system's directory.
            backend: raw, cosine, asnorm or plda; with _<list> behind it for any but the first trial list.
            eer, mindcf_0.01, …: all keys of the score's JSON file.
            nmi, purity, num_clusters: of the clusters of the training set; None if they are of older embeddings.
            seed, epochs, train_seconds: of the training.
            gate: the last line of the round's gate_quality.jsonl.

    Raises:
        RecipeError: EXP_DIR has no scores.
    """
    directories = sorted((p.parent for p in exp_dir.glob("*/scores")), key=system_order)
    if not directories:
        raise RecipeError(f"{exp_dir}: no <system>/scores here: run stage 6 first")
    return [record for directory in directories for record in read_system(directory)]


def systems_of(exp_dir: Path) -> list[Path]:
    """Directories of the systems that are trained, scored or clustered, in the order of the recipe."""
    marks = ("scores", "clusters", "metrics.jsonl")
    return sorted((p for p in exp_dir.iterdir() if any((p / mark).exists() for mark in marks)), key=system_order)


def system_order(directory: Path) -> tuple[int, str, int]:
    """Sorting key of systems: those of ORDER, the rounds by variant and number, all others by name."""
    variant, number = variant_and_round(directory.name)
    return (ORDER.get(variant, len(ORDER) + (not number)), variant, number)


def variant_and_round(system: str) -> tuple[str, int]:
    """The parts of a system's name: ("lgl", 2) for "lgl2", ("dino", 0) for "dino"."""
    numbered = re.fullmatch(r"(.+?)(\d+)", system)
    return (numbered[1], int(numbered[2])) if numbered else (system, 0)


def stale_scores(exp_dir: Path) -> dict[str, str]:
    """The scores that read_experiment leaves out: "<system> <backend>" → what has changed since they were made."""
    found = {
        f"{path.parents[1].name} {path.stem}": outdated(path.with_suffix(""))
        for directory in systems_of(exp_dir)
        for path in sorted(directory.glob("scores/*.json"), key=score_order)
    }
    return {name: reason for name, reason in found.items() if reason}


def cluster_figures(directory: Path) -> dict[str, Any]:
    """clusters/quality.json of a system. Empty if it is of other clusters than those that the system has now."""
    clusters, quality = directory / "clusters/utt2cluster", directory / "clusters/quality.json"
    if clusters.exists() and quality.exists():
        newer = clusters.stat().st_mtime > quality.stat().st_mtime
        if newer or outdated(clusters):
            return {}
    return read_figures(quality, (), ("nmi", "purity", "num_clusters"))


def read_system(directory: Path) -> list[dict[str, Any]]:
    """One record per back-end of a system, without stale ones."""
    quality = cluster_figures(directory)
    stamp = read_record(directory / "stamp.json") or {}
    lines = read_lines(directory / "metrics.jsonl")
    gates = read_lines(directory / "gate_quality.jsonl")
    records = []
    for path in sorted(directory.glob("scores/*.json"), key=score_order):
        if outdated(path.with_suffix("")):
            continue
        records.append(
            {
                "system": directory.name,
                "backend": path.stem,
                **read_figures(path, ("eer",), ("mindcf_0.01", "mindcf_0.05")),
                "nmi": quality.get("nmi"),
                "purity": quality.get("purity"),
                "num_clusters": quality.get("num_clusters"),
                "seed": stamp.get("settings", {}).get("seed"),
                "epochs": len(lines),
                "train_seconds": round(sum(line.get("seconds", 0.0) for line in lines), 1),
                "gate": gates[-1] if gates else None,
            }
        )
    return records


def score_order(path: Path) -> tuple[int, str]:
    """Sorting key of score files: in the order of BACKENDS, all others by name."""
    backend = path.stem.split("_")[0]
    order = ["raw", *BACKENDS]
    return (order.index(backend) if backend in order else len(order), path.stem)


def describe_origin() -> str:
    """A sentence on the code and the machine that make a report."""
    return f"Made with {describe_code()} on {describe_machine()}."


def read_json(path: Path) -> Any:
    """The value in a JSON file; None if the file does not exist."""
    return files.read_json(path) if path.exists() else None


def read_figures(path: Path, keys: Sequence[str] = (), others: Sequence[str] = ()) -> dict[str, Any]:
    """The figures in a JSON file; empty if the file does not exist.

    Args:
        path: the file.
        keys: that must be there, with a finite number or null.
        others: that may be there, with a finite number or null.

    Raises:
        RecipeError: it is damaged.
    """
    figures = read_json(path)
    if figures is None:
        return {}
    if not isinstance(figures, dict):
        raise RecipeError(f"{path}: damaged: not an object of figures: remove it and run the stage that writes it")
    values = {key: figures.get(key, "") for key in keys} | {key: figures.get(key) for key in others}
    wrong = next((key for key, value in values.items() if kind_of(value) != "a number"), None)
    if wrong is not None:
        raise RecipeError(f"{path}: damaged: {wrong} is no number: remove it and run the stage that writes it")
    return figures


def read_stamp(path: Path, part: str) -> dict[str, Any]:
    """The settings, or the inputs, in the record of an output; empty if there is no such record.

    Args:
        path: the record.
        part: settings or inputs.

    Raises:
        RecipeError: it is damaged.
    """
    found = read_figures(path).get(part, {})
    if not isinstance(found, dict):
        raise RecipeError(f"{path}: damaged: {part} is no object: remove it and run the stage that writes it")
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a .jsonl file; empty if the file does not exist.

    Raises:
        RecipeError: a line is damaged: it lacks a key of the first line, or has a value of another kind there. What is
            null in the first line may be a number or a list later.
    """
    lines = files.read_json_lines(path)
    for number, line in enumerate(lines, 1):
        for key, value in {**lines[0], **{key: 0 for key in NUMBERS if key in line}}.items():
            found = line.get(key, ())
            null = found is None and key in NUMBERS
            if null or (kind_of(found) != kind_of(value) and not (value is None and found and isinstance(found, list))):
                raise RecipeError(
                    f"{path}:{number}: damaged: {key} is {line.get(key, 'missing')!r}, not {kind_of(value)}: restore "
                    "the file from a copy, or remove it: what was trained is kept, only its figures are lost"
                )
    return lines


def kind_of(value: Any) -> str:
    """What a value of a record is. null stands for a number that does not exist."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return "a number"
    return "a text" if isinstance(value, str) else f"a {type(value).__name__}"


def read_config(path: Path) -> Any:
    """The settings in a config.yaml.

    Raises:
        RecipeError: it is missing or damaged.
    """
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RecipeError(f"{path}: cannot read it: {reason}: run the training again, which writes it") from None
