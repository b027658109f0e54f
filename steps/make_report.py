#!/usr/bin/env python3
"""Gather the results of an experiment directory: pages to read and a file for further computation.

Reads   EXP_DIR/<system>/{scores/*, clusters/*, gate/*, train/embedding.scp, stamp.json, config.yaml, command, *.jsonl}.
        With --data, DATA/eval/{trials, wav.scp, utt2spk.truth} and DATA/train/{wav.scp, utt2sess, utt2spk.truth}, as
        far as they are there.
Writes  EXP_DIR/RESULTS.md, whose main table also goes to the terminal.
        EXP_DIR/results.json, a list of records with the keys system, backend, trials, eer, mindcf_0.01, mindcf_0.05,
        nmi, purity, seed, train_seconds, …
        EXP_DIR/report.html, figures and clips to listen to, in one file that needs no network.

Scores and clusters that are older than what they were made from are left out.

steps/compare_systems.py compares several seeds or variants.

Example
    steps/make_report.py --data data/mini exp/mini
"""

from pathlib import Path

from dlglc import console
from dlglc.reports.conditions import trial_lists
from dlglc.reports.pages import experiment_page
from dlglc.reports.records import read_experiment
from dlglc.reports.tables import results_table


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--data", type=Path, help="data directory, for trials, sessions, true speakers and audio")
    parser.add_argument(
        "--clips", type=int, default=12, help="recordings in report.html, at most; 0 = no audio (default: 12)"
    )
    parser.add_argument("--print", action="store_true", help="print the table of scores, and write nothing")
    parser.add_argument("exp_dir", type=Path)
    args = parser.parse_args()

    if args.print:
        lists = trial_lists(args.data / "eval") if args.data else []
        print(results_table(read_experiment(args.exp_dir), lists))
    else:
        print(experiment_page(args.exp_dir, args.data, args.clips))


if __name__ == "__main__":
    console.run(main)
