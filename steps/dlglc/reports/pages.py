"""The pages that the report scripts write."""

import json
import math
from pathlib import Path
from typing import Any

from ..console import log
from ..errors import RecipeError
from ..files import write_text
from .comparison import Evaluation, comparison_rows, conditions_section, differences, overview, read_experiments
from .conditions import describe_conditions, trial_lists
from .markdown import markdown_table
from .plots import DINO_FIGURES, plot_dino, plot_rounds
from .records import describe_origin, read_config, read_experiment, read_figures, read_lines, systems_of
from .tables import describe_data, kept_starts, left_out, results_table, training_section, trial_list
from .unlabelled import unlabelled_section


def experiment_page(exp_dir: Path, data: Path | None, clips: int = 12) -> str:
    """Write EXP_DIR/RESULTS.md, EXP_DIR/results.json and EXP_DIR/report.html (steps/make_report.py).

    Args:
        exp_dir: directory of the experiment.
        data: its data directory; without it there are no figures of trials, sessions and true speakers.
        clips: recordings in report.html, at most.

    Returns:
        The table of results.
    """
    from .page.page import write_page  # here: it takes seconds to import, and the other pages do not need it

    unlabelled = unlabelled_section(exp_dir, data)
    scored = not unlabelled or any(exp_dir.glob("*/scores"))
    records = (
        [{"trials": trial_list(data, record["backend"]), **record} for record in read_experiment(exp_dir)]
        if scored
        else []
    )
    lists = trial_lists(data / "eval") if data else []
    table = results_table(records, lists) if scored else unlabelled[1]
    results = [
        "EER and minDCF are on the evaluation trials. True speakers are used for this report only. NMI and purity are "
        f"those of the clusters of the system's embeddings of the training set. {describe_conditions(lists)}".strip(),
        table,
        *left_out(exp_dir),
    ]
    parts = [
        f"# Results of {exp_dir}",
        describe_origin() + describe_data(data),
        *(results if scored else []),
        *kept_starts(exp_dir),
        *unlabelled,
        *(section for directory in systems_of(exp_dir) for section in training_section(directory)),
    ]
    _write_records(exp_dir / "results.json", records)
    _write_page(exp_dir / "RESULTS.md", parts)
    write_page(exp_dir, data, records, clips)
    return table


def comparison_page(exp_dirs: list[Path], references: list[str], evaluation: Evaluation | None, out_dir: Path) -> str:
    """Write RESULTS.md, results.json and eer.svg of several experiments (steps/compare_systems.py).

    Args:
        exp_dirs: experiments that differ in their seed only.
        references: systems or variants with which the others are compared.
        evaluation: for intervals over speakers; None = without them.

    Returns:
        The table of all systems.

    Raises:
        RecipeError: a reference is unknown, or an experiment has no scores. Nothing is written.
    """
    found = read_experiments(exp_dirs)
    systems = list(dict.fromkeys(system for system, _ in found))
    against = {name: comparison_rows(systems, name) for name in references}
    unknown = next((name for name, rows in against.items() if not rows), None)
    if unknown:
        raise RecipeError(
            f"--against {unknown}: no such system or variant in {exp_dirs[0]}: choose one of {', '.join(systems)}"
        )
    records = [record for group in found.values() for record in group.values()]
    out_dir.mkdir(parents=True, exist_ok=True)
    _write_records(out_dir / "results.json", records)
    plot_rounds(found, out_dir / "eer.svg")
    seeds = len({record["seed"] for record in records} - {None})
    suffix = evaluation.suffix if evaluation else ""
    table = overview(found, systems, suffix)
    lists = trial_lists(evaluation.trials.parent) if evaluation else []
    parts = [
        f"# Results of {out_dir}",
        f"{seeds} seeds; mean ± standard deviation (n - 1). {describe_origin()} True speakers are used for this report "
        "only. Columns kept and corrected: share of the labels in the last epoch and, in brackets, the share of right "
        "labels among them, in percent; for corrected labels before → after the correction.",
        table,
        *conditions_section(found, systems, lists),
        "![EER by round](eer.svg)",
    ]
    for reference, rows in against.items():
        log.info("comparing with %s", reference)
        title = reference if reference in systems else f"{reference}, round by round"
        parts += [f"## Difference to {title}", differences(found, rows, evaluation)]
    _write_page(out_dir / "RESULTS.md", parts)
    return table


def dino_page(run_dirs: list[Path], out_dir: Path) -> None:
    """Write dino.svg and dino.md of DINO runs (steps/plot_dino.py).

    Args:
        run_dirs: experiment directories of run.sh, each with the system dino and a system epochNN for every epoch.

    Raises:
        RecipeError: an epoch of a run is not scored.
    """
    runs = {run_dir.name: read_dino_run(run_dir) for run_dir in run_dirs}
    uniform = math.log(read_config(run_dirs[0] / "dino/config.yaml")["head"]["outputs"])
    out_dir.mkdir(parents=True, exist_ok=True)
    plot_dino(runs, uniform, out_dir / "dino.svg")
    parts = [f"{describe_origin()} ln K = {uniform:.2f}.", "![DINO by epoch](dino.svg)"]
    for name, lines in runs.items():
        rows = [[str(line["epoch"]), *(f"{line[key]:.3g}" for key in DINO_FIGURES)] for line in lines]
        parts += [f"## {name}", markdown_table(["epoch", *DINO_FIGURES.values()], rows, left=0)]
    _write_page(out_dir / "dino.md", parts)


def read_dino_run(run_dir: Path) -> list[dict[str, Any]]:
    """The lines of dino/metrics.jsonl, with the EER of each epoch's teacher in percent as `eer`."""
    lines = read_lines(run_dir / "dino/metrics.jsonl")
    for line in lines:
        scored = run_dir / f"epoch{line['epoch']:02d}/scores/cosine.json"
        if not scored.exists():
            raise RecipeError(f"{scored}: no such file: local/experiments/dino_curve.sh scores the epochs")
        line["eer"] = read_figures(scored, ("eer",))["eer"]
    return lines


def _write_records(path: Path, records: list[dict[str, Any]]) -> None:
    write_text(path, json.dumps(records, indent=1) + "\n")


def _write_page(path: Path, parts: list[str]) -> None:
    write_text(path, "\n\n".join(parts) + "\n")
