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

from dlglc import console
from dlglc.files import write_text
from dlglc.reports.records import describe_origin, read_experiment
from dlglc.reports.tables import describe_data, results_table, training_section, trial_list


def main() -> None:
    parser = console.parser(__doc__)
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


if __name__ == "__main__":
    console.run(main)
