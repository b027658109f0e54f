#!/usr/bin/env python3
"""Gather what an experiment directory holds into one table to read and one to compute with.

Reads   EXP_DIR/<system>/{scores/*.json, clusters/quality.json, stamp.json, config.yaml, command, *.jsonl}.
Writes  EXP_DIR/RESULTS.md and EXP_DIR/results.json, a list of records with the keys system, backend, trials, eer,
        mindcf_0.01, mindcf_0.05, nmi, purity, seed, train_seconds, …; both are also printed to the terminal in short.

Several seeds or variants are compared by steps/compare_systems.py.

Example
    steps/make_report.py --data data/mini exp/mini
"""

import json
from pathlib import Path

import yaml
from libs import cli
from libs.datadir import write_text
from libs.results import describe_origin, read_experiment, read_lines


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--data", type=Path, help="data directory, for the number of trials and hours")
    parser.add_argument("exp_dir", type=Path)
    args = parser.parse_args()

    exp_dir = args.exp_dir
    records = [{"trials": trial_list(args.data, record["backend"]), **record} for record in read_experiment(exp_dir)]
    directories = [exp_dir / name for name in dict.fromkeys(record["system"] for record in records)]
    write_text(exp_dir / "results.json", json.dumps(records, indent=1) + "\n")
    table = results_table(records)
    parts = [
        f"# Results of {exp_dir}",
        describe_origin() + describe_data(args.data),
        "EER and minDCF on the evaluation trials; labels serve this table only. NMI and purity are those of the "
        "clusters made from the system's embeddings of the training set.",
        table,
        *(section for directory in directories for section in training_section(directory)),
    ]
    write_text(exp_dir / "RESULTS.md", "\n\n".join(parts) + "\n")
    print(table)


def trial_list(data: Path | None, backend: str) -> str | None:
    """The list that a back-end's scores are of: run.sh names those of trials_<list> <back-end>_<list>."""
    return str(data / "_".join(["eval/trials", *backend.split("_", 1)[1:]])) if data else None


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
    lists = sorted((data / "eval").glob("trials*"))
    trials = ", ".join(f"{len(path.read_text().splitlines())} in {path.name}" for path in lists)
    return f" Trained on {len(seconds)} utterances ({sum(seconds) / 3600:.2f} h). Evaluation trials: {trials}."


if __name__ == "__main__":
    cli.run(main)
