#!/usr/bin/env python3
"""Plot DINO runs epoch by epoch: what the log says of their health, and the error rate of each epoch's teacher.

Reads   RUN_DIR/metrics.jsonl, RUN_DIR/config.yaml and RUN_DIR/epochs/NN/cosine.json, as local/experiments/dino_curve.sh
        makes them.
Writes  OUT_DIR/dino.svg and OUT_DIR/dino.md, one table per run.

Example
    steps/plot_dino.py exp/mini-curve exp/mini-curve/learns exp/mini-curve/collapses
"""

import math
from pathlib import Path

import yaml

from dlglc import console
from dlglc.errors import RecipeError
from dlglc.files import write_text
from dlglc.reports.plots import DINO_FIGURES, plot_dino
from dlglc.reports.records import describe_origin, read_json, read_lines


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("run_dir", type=Path, nargs="+")
    args = parser.parse_args()

    runs = {run.name: read_run(run) for run in args.run_dir}
    uniform = math.log(yaml.safe_load((args.run_dir[0] / "config.yaml").read_text())["head"]["outputs"])
    plot_dino(runs, uniform, args.out_dir / "dino.svg")
    parts = [f"{describe_origin()} ln K = {uniform:.2f}.", "![DINO by epoch](dino.svg)"]
    for name, lines in runs.items():
        rows = ["| epoch | " + " | ".join(DINO_FIGURES.values()) + " |", "|---:" * (len(DINO_FIGURES) + 1) + "|"]
        rows += [f"| {m['epoch']} | " + " | ".join(f"{m[k]:.3g}" for k in DINO_FIGURES) + " |" for m in lines]
        parts += [f"## {name}", "\n".join(rows)]
    write_text(args.out_dir / "dino.md", "\n\n".join(parts) + "\n")


def read_run(run: Path) -> list[dict]:
    """The epochs' lines of metrics.jsonl, with eer in percent."""
    lines = read_lines(run / "metrics.jsonl")
    for line in lines:
        scored = run / f"epochs/{line['epoch']:02d}/cosine.json"
        if not scored.exists():
            raise RecipeError(f"{scored}: not there: local/experiments/dino_curve.sh scores the epochs")
        line["eer"] = read_json(scored)["eer"]
    return lines


if __name__ == "__main__":
    console.run(main)
