#!/usr/bin/env python3
"""Plot DINO runs epoch by epoch: the figures of their log, and the error rate of each epoch's teacher.

Reads   RUN_DIR/dino/{metrics.jsonl, config.yaml}, and RUN_DIR/epochNN/scores/cosine.json for every epoch, as
        local/experiments/dino_curve.sh makes them.
Writes  OUT_DIR/dino.svg, and OUT_DIR/dino.md with one table per run.

Example
    steps/plot_dino.py exp/mini-curve exp/mini-curve/learns exp/mini-curve/collapses
"""

from pathlib import Path

from dlglc import console
from dlglc.reports.pages import dino_page


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("run_dir", type=Path, nargs="+")
    args = parser.parse_args()

    dino_page(args.run_dir, args.out_dir)


if __name__ == "__main__":
    console.run(main)
