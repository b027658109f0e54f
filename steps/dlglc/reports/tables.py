"""The tables of RESULTS.md (steps/make_report.py)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from .choice import describe_choice, unchanged_rounds
from .conditions import MIXED, UNKNOWN, TrialList
from .markdown import markdown_table, record_table
from .records import read_config, read_lines, stale_scores


def trial_list(data: Path | None, backend: str) -> str | None:
    """The trial list of a score file. run.sh names the scores of trials_<list> <back-end>_<list>."""
    return str(data / "_".join(["eval/trials", *backend.split("_", 1)[1:]])) if data else None


def results_table(records: list[dict[str, Any]], lists: Sequence[TrialList] = ()) -> str:
    """The headline table in Markdown: one row per system and back-end.

    Args:
        records: of read_experiment.
        lists: the trial lists of the evaluation set. Lists that are known to be within a session, across sessions or
            across books are columns. Scores of any other list are a row of their own. minDCF is that of the row's list.
    """
    known = [some for some in lists if some.title and some.condition not in (MIXED, UNKNOWN)]
    first = next((some for some in known if not some.suffix), None)
    titles = {some.title: some for some in reversed(known)}  # the first list of each title
    columns = [some for some in known if some.suffix and titles[some.title] is some]
    eers = {(r["system"], r["backend"]): f"{r['eer']:.2f}" for r in records}
    head = [
        "system",
        "back-end",
        *(f"EER % {some.title}".strip() for some in [first or TrialList("trials", ""), *columns]),
    ]
    head += ["minDCF 0.01", "minDCF 0.05", "NMI", "purity", "epochs", "training s"]
    rows = []
    for r in records:
        if any(r["backend"].endswith(some.suffix) for some in columns):
            continue
        row = [r["system"], r["backend"], f"{r['eer']:.2f}"]
        row += [eers.get((r["system"], r["backend"] + some.suffix), "–") for some in columns]
        row += ["–" if r.get(key) is None else f"{r[key]:.3f}" for key in ("mindcf_0.01", "mindcf_0.05")]
        row += ["–" if r[key] is None else f"{r[key]:.3f}" for key in ("nmi", "purity")]
        rows.append([*row, str(r["epochs"]), f"{r['train_seconds']:.0f}"])
    return markdown_table(head, rows, left=2)


def left_out(exp_dir: Path) -> list[str]:
    """The scores that are left out because something before them has changed; empty if there are none."""
    stale = stale_scores(exp_dir)
    if not stale:
        return []
    lines = [f"- {name}: {reason}" for name, reason in stale.items()]
    return [
        "Left out, because something that they were made from has changed since (stages 4 to 6 make them again):",
        "\n".join(lines),
    ]


def kept_starts(exp_dir: Path) -> list[str]:
    """The rounds that kept the encoder that they started from; empty if there are none."""
    return [f"**{name} changes nothing.** {sentence}" for name, sentence in unchanged_rounds(exp_dir).items()]


def training_section(directory: Path) -> list[str]:
    """The section of a trained system: figures of each epoch, precision of the gate (of a round), configuration.

    Empty for a system that was not trained.
    """
    lines = read_lines(directory / "metrics.jsonl")
    if not lines:
        return []
    keys = [k for k in lines[0] if not k.startswith("mixture") and k not in ("data_wait", "lr")]
    parts = [f"## {directory.name}", record_table(lines, keys)]
    choice = describe_choice(lines)
    if choice:
        parts.append(choice)
    gate = read_lines(directory / "gate_quality.jsonl")
    if gate:
        parts += [
            "Shares of the labels, and their precision by the true speakers (for this report only):",
            record_table(gate, list(gate[0])),
        ]
    config = read_config(directory / "config.yaml")
    command = (directory / "command").read_text(errors="replace").strip()
    text = yaml.safe_dump(config, sort_keys=False).strip()
    parts.append(
        f"<details><summary>Configuration</summary>\n\n```yaml\n{text}\n```\n\n```\n{command}\n```\n\n</details>"
    )
    return parts


def describe_data(data: Path | None) -> str:
    """A sentence on the size of the training set and of the trial lists; empty if the data is not there."""
    if data is None or not (data / "train/utt2dur").exists():
        return ""
    seconds = [float(line.split()[1]) for line in (data / "train/utt2dur").read_text().splitlines()]
    lists = sorted((data / "eval").glob("trials*"))
    trials = ", ".join(f"{len(path.read_text().splitlines())} in {path.name}" for path in lists)
    tested = f" Evaluation trials: {trials}." if trials else ""
    return f" Trained on {len(seconds)} utterances ({sum(seconds) / 3600:.2f} h).{tested}"
