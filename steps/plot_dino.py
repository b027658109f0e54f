#!/usr/bin/env python3
"""Plot DINO runs epoch by epoch: what the log says of their health, and the error rate of each epoch's teacher.

Reads   RUN_DIR/metrics.jsonl, RUN_DIR/config.yaml and RUN_DIR/epochs/NN/cosine.json (utils/dino_curve.sh makes them).
Writes  OUT_DIR/dino.svg and OUT_DIR/dino.md, one table per run.

Example
    steps/plot_dino.py exp/mini-curve exp/mini-curve/learns exp/mini-curve/collapses
"""

import math
from pathlib import Path

import matplotlib
import yaml
from libs import cli
from libs.cli import RecipeError
from libs.datadir import write_text
from libs.results import describe_origin, read_json, read_lines

matplotlib.use("svg")  # no display is asked for
matplotlib.rcParams["svg.hashsalt"] = "dlg-lc"  # the same figures give the same file
from matplotlib import pyplot  # noqa: E402

FIGURES = {
    "eer": "EER %",
    "cross_entropy": "DINO loss, nats",
    "teacher_entropy": "teacher entropy of a crop, nats",
    "batch_entropy": "entropy of the batch's mean, nats",
    "embedding_std": "standard deviation of embeddings",
}


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("run_dir", type=Path, nargs="+")
    args = parser.parse_args()

    runs = {run.name: read_run(run) for run in args.run_dir}
    uniform = math.log(yaml.safe_load((args.run_dir[0] / "config.yaml").read_text())["head"]["outputs"])
    plot(runs, uniform, args.out_dir / "dino.svg")
    parts = [f"{describe_origin()} ln K = {uniform:.2f}.", "![DINO by epoch](dino.svg)"]
    for name, lines in runs.items():
        rows = ["| epoch | " + " | ".join(FIGURES.values()) + " |", "|---:" * (len(FIGURES) + 1) + "|"]
        rows += [f"| {m['epoch']} | " + " | ".join(f"{m[k]:.3g}" for k in FIGURES) + " |" for m in lines]
        parts += [f"## {name}", "\n".join(rows)]
    write_text(args.out_dir / "dino.md", "\n\n".join(parts) + "\n")


def read_run(run: Path) -> list[dict]:
    """The epochs' lines of metrics.jsonl, with eer in percent."""
    lines = read_lines(run / "metrics.jsonl")
    for line in lines:
        scored = run / f"epochs/{line['epoch']:02d}/cosine.json"
        if not scored.exists():
            raise RecipeError(f"{scored}: not there: run utils/dino_curve.sh, which scores each epoch's teacher")
        line["eer"] = read_json(scored)["eer"]
    return lines


def plot(runs: dict, uniform: float, path: Path) -> None:
    """One panel per figure, one line per run; ln K, the entropy of uniform outputs, dotted."""
    figure, axes = pyplot.subplots(1, len(FIGURES), figsize=(3.4 * len(FIGURES), 3.2), layout="constrained")
    for axis, (key, title) in zip(axes, FIGURES.items()):
        for name, lines in runs.items():
            axis.plot([m["epoch"] for m in lines], [m[key] for m in lines], marker=".", label=name)
        if "entropy" in key:
            axis.axhline(uniform, linestyle=":", color="grey")
        axis.set(title=title, xlabel="epoch")
        axis.title.set_fontsize(9)
        axis.set_ylim(bottom=0)
        axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


if __name__ == "__main__":
    cli.run(main)
