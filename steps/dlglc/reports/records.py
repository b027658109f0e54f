"""What an experiment directory holds, as records: read by the reports, written by the stages before them."""

import json
import re
from pathlib import Path

from ..errors import RecipeError
from ..provenance import describe_code, describe_machine

ORDER = {"mfcc": 0, "untrained": 1, "dino": 2}  # then round1, round2, …
BACKENDS = {"cosine": 0, "asnorm": 1, "plda": 2}


def read_experiment(exp_dir: Path) -> list[dict]:
    """One record per system and back-end of EXP_DIR, in the order of the recipe.

    Keys: system, backend (with _<list> where it is not the first trial list), those of the score's JSON (eer,
    mindcf_0.01, …), nmi, purity, num_clusters, seed, epochs, train_seconds, and gate, the last line of the round's
    gate_quality.jsonl. None where a system has no such thing.

    Raises:
        RecipeError: nothing is scored there.
    """
    directories = sorted((p.parent for p in exp_dir.glob("*/scores")), key=rank)
    if not directories:
        raise RecipeError(f"{exp_dir}: no <system>/scores here: run stage 6 first")
    return [record for directory in directories for record in read_system(directory)]


def rank(directory: Path) -> tuple:
    """untrained, dino, then the rounds by variant and number, then anything else by name."""
    variant, number = variant_and_round(directory.name)
    return (ORDER.get(variant, 3 if number else 4), variant, number)


def variant_and_round(system: str) -> tuple[str, int]:
    """("lgl", 2) of "lgl2"; 0 as the round of a system that has none."""
    numbered = re.fullmatch(r"(.+?)(\d+)", system)
    return (numbered[1], int(numbered[2])) if numbered else (system, 0)


def read_system(directory: Path) -> list[dict]:
    """One record per back-end of a system."""
    quality = read_json(directory / "clusters/quality.json") or {}
    stamp = read_json(directory / "stamp.json") or {}
    lines = read_lines(directory / "metrics.jsonl")
    records = []
    for path in sorted(directory.glob("scores/*.json"), key=lambda p: (BACKENDS.get(p.stem.split("_")[0], 9), p.stem)):
        records.append(
            {
                "system": directory.name,
                "backend": path.stem,
                **read_json(path),
                "nmi": quality.get("nmi"),
                "purity": quality.get("purity"),
                "num_clusters": quality.get("num_clusters"),
                "seed": stamp.get("settings", {}).get("seed"),
                "epochs": len(lines),
                "train_seconds": round(sum(line["seconds"] for line in lines), 1),
                "gate": (read_lines(directory / "gate_quality.jsonl") or [None])[-1],
            }
        )
    return records


def describe_origin() -> str:
    """Code and machine that a report is made with."""
    return f"Made with {describe_code()} on {describe_machine()}."


def read_json(path: Path):
    """A JSON file's value, None where there is no file."""
    return json.loads(path.read_text()) if path.exists() else None


def read_lines(path: Path) -> list[dict]:
    """The records of a .jsonl file, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
