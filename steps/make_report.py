#!/usr/bin/env python3
"""Gather what an experiment directory holds into one table to read and one to compute with.

Reads   EXP_DIR/<system>/{scores/*.json, clusters/quality.json, stamp.json, config.yaml, command, *.jsonl}.
Writes  EXP_DIR/RESULTS.md and EXP_DIR/results.json, a list of records with the keys system, backend, trials, eer,
        mindcf_0.01, mindcf_0.05, nmi, purity, seed, train_seconds, …; both are also printed to the terminal in short.

Of several directories that differ in their seed only it prints the mean and standard deviation, and writes nothing.

Example
    steps/make_report.py --data data/mini exp/mini
    steps/make_report.py exp/mini exp/mini-seed1 exp/mini-seed2
"""

import json
import statistics
from pathlib import Path

import yaml
from libs import cli
from libs.cli import RecipeError
from libs.datadir import write_text
from libs.training import describe_code, describe_machine

ORDER = {"mfcc": 0, "untrained": 1, "dino": 2}  # then round1, round2, …
BACKENDS = {"cosine": 0, "asnorm": 1, "plda": 2}


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--data", type=Path, help="data directory, for the number of trials and hours")
    parser.add_argument("exp_dir", type=Path, nargs="+")
    args = parser.parse_args()

    if len(args.exp_dir) > 1:
        print(seeds_table([record for exp_dir in args.exp_dir for record in read_experiment(exp_dir, args)]))
        return
    exp_dir = args.exp_dir[0]
    records = read_experiment(exp_dir, args)
    directories = [exp_dir / name for name in dict.fromkeys(record["system"] for record in records)]
    write_text(exp_dir / "results.json", json.dumps(records, indent=1) + "\n")
    table = results_table(records)
    parts = [
        f"# Results of {exp_dir}",
        f"Made by stage 7 with {describe_code()} on {describe_machine()}." + describe_data(args.data),
        "EER and minDCF on the evaluation trials; labels serve this table only. NMI and purity are those of the "
        "clusters made from the system's embeddings of the training set.",
        table,
        *(section for directory in directories for section in training_section(directory)),
    ]
    write_text(exp_dir / "RESULTS.md", "\n\n".join(parts) + "\n")
    print(table)


def read_experiment(exp_dir: Path, args) -> list[dict]:
    """The records of all systems of an experiment, in the order of the recipe."""
    directories = sorted((p.parent for p in exp_dir.glob("*/scores")), key=rank)
    if not directories:
        raise RecipeError(f"{exp_dir}: no <system>/scores here: run stage 6 first")
    return [record for directory in directories for record in read_system(directory, args)]


def rank(directory: Path) -> tuple:
    """untrained, dino, then the rounds by number, then anything else by name."""
    name = directory.name
    number = int(name[5:]) if name.startswith("round") and name[5:].isdigit() else 0
    return (ORDER.get(name, 3 if number else 4), number, name)


def read_system(directory: Path, args) -> list[dict]:
    """One record per back-end of a system."""
    quality = read_json(directory / "clusters/quality.json") or {}
    stamp = read_json(directory / "stamp.json") or {}
    lines = read_lines(directory / "metrics.jsonl")
    records = []
    for path in sorted(directory.glob("scores/*.json"), key=lambda p: (BACKENDS.get(p.stem, 9), p.stem)):
        records.append(
            {
                "system": directory.name,
                "backend": path.stem,
                "trials": str(args.data / "eval/trials") if args.data else None,
                **read_json(path),
                "nmi": quality.get("nmi"),
                "purity": quality.get("purity"),
                "num_clusters": quality.get("num_clusters"),
                "seed": stamp.get("settings", {}).get("seed"),
                "epochs": len(lines),
                "train_seconds": round(sum(line["seconds"] for line in lines), 1),
            }
        )
    return records


def results_table(records: list[dict]) -> str:
    """The headline table in Markdown."""
    rows = ["| system | back-end | EER % | minDCF 0.01 | minDCF 0.05 | NMI | purity | epochs | training s |"]
    rows.append("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for r in records:
        quality = "".join(f" {r[k]:.3f} |" if r[k] is not None else " – |" for k in ("nmi", "purity"))
        rows.append(
            f"| {r['system']} | {r['backend']} | {r['eer']:.2f} | {r['mindcf_0.01']:.3f} | {r['mindcf_0.05']:.3f} |"
            f"{quality} {r['epochs']} | {r['train_seconds']:.0f} |"
        )
    return "\n".join(rows)


def seeds_table(records: list[dict]) -> str:
    """EER, minDCF and NMI of each system and back-end over seeds, mean ± standard deviation (n - 1)."""
    groups: dict[tuple, list[dict]] = {}
    for record in records:
        groups.setdefault((record["system"], record["backend"]), []).append(record)
    rows = ["| system | back-end | EER % | minDCF 0.05 | NMI | seeds |", "|---|---|---:|---:|---:|---:|"]
    for (system, backend), group in groups.items():
        cells = []
        for key, digits in (("eer", 2), ("mindcf_0.05", 3), ("nmi", 3)):
            values = [r[key] for r in group if r[key] is not None]
            spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.{digits}f}{spread}" if values else "–")
        rows.append(f"| {system} | {backend} | {' | '.join(cells)} | {len(group)} |")
    return "\n".join(rows)


def training_section(directory: Path) -> list[str]:
    """Configuration and per-epoch figures of a trained system; for a round also how right its gate was."""
    lines = read_lines(directory / "metrics.jsonl")
    if not lines:
        return []
    keys = [k for k in lines[0] if not k.startswith("mixture") and k not in ("data_wait", "lr")]
    parts = [f"## {directory.name}", markdown(lines, keys)]
    gate = read_lines(directory / "gate_quality.jsonl")
    if gate:
        parts += [
            "Shares and precision of the labels by the true speakers (reporting only):",
            markdown(gate, list(gate[0])),
        ]
    config = yaml.safe_load((directory / "config.yaml").read_text())
    command = (directory / "command").read_text().strip()
    text = yaml.safe_dump(config, sort_keys=False).strip()
    parts.append(
        f"<details><summary>Configuration</summary>\n\n```yaml\n{text}\n```\n\n```\n{command}\n```\n\n</details>"
    )
    return parts


def markdown(lines: list[dict], keys: list[str]) -> str:
    """Records as a Markdown table."""

    def cell(value):
        return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

    head = ["| " + " | ".join(k.replace("_", " ") for k in keys) + " |", "|" + "---|" * len(keys)]
    return "\n".join(head + ["| " + " | ".join(cell(line.get(k)) for k in keys) + " |" for line in lines])


def describe_data(data: Path | None) -> str:
    """How much was trained and tested on."""
    if data is None or not (data / "train/utt2dur").exists():
        return ""
    seconds = [float(line.split()[1]) for line in (data / "train/utt2dur").read_text().splitlines()]
    trials = len((data / "eval/trials").read_text().splitlines())
    return f" Trained on {len(seconds)} utterances ({sum(seconds) / 3600:.2f} h), {trials} evaluation trials."


def read_json(path: Path):
    """A JSON file's value, None where there is no file."""
    return json.loads(path.read_text()) if path.exists() else None


def read_lines(path: Path) -> list[dict]:
    """The records of a .jsonl file, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    cli.run(main)
