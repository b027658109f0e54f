"""The tables of RESULTS.md (steps/make_report.py)."""

from pathlib import Path
from typing import Any

import yaml

from .records import read_lines


def trial_list(data: Path | None, backend: str) -> str | None:
    """The list that a back-end's scores are of: run.sh names those of trials_<list> <back-end>_<list>."""
    return str(data / "_".join(["eval/trials", *backend.split("_", 1)[1:]])) if data else None


def results_table(records: list[dict[str, Any]]) -> str:
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


def markdown(lines: list[dict[str, Any]], keys: list[str]) -> str:
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
