#!/usr/bin/env python3
"""Compare the systems of several experiments that differ in their seed only: mean and spread, plot, significance.

Reads   EXP_DIR/<system>/{scores/*.json, scores/*, clusters/quality.json, gate_quality.jsonl, stamp.json}, one EXP_DIR
        per seed; with --utt2spk and --trials also the true speakers, to resample them.
Writes  OUT_DIR/RESULTS.md, OUT_DIR/results.json (the records of all seeds), OUT_DIR/eer.svg (EER of each variant by
        round); with --against one table for each name given there, of how the others differ from it. A variant's
        name ("lgl") stands for its rounds, each of which is compared with the others of its number, and their mean.

Differences are paired twice. Over seeds: mean difference of the seeds that both systems have, with Student's 95 %
interval. Over speakers: the systems' EERs under the same draws of evaluation speakers, averaged over seeds.

Example
    steps/compare_systems.py --trials data/mini/eval/trials --utt2spk data/mini/eval/utt2spk.truth --against lgl \\
        exp/mini-ablation exp/mini-ablation/seed0 exp/mini-ablation/seed1 exp/mini-ablation/seed2
"""

import json
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.errors import RecipeError
from dlglc.files import write_text
from dlglc.reports.comparison import Evaluation, differences, overview, pairs, read_experiments
from dlglc.reports.plots import plot_rounds
from dlglc.reports.records import describe_origin


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--trials", type=Path, help="evaluation trials, to resample their speakers")
    parser.add_argument("--utt2spk", type=Path, help="their true speakers")
    parser.add_argument(
        "--against", action="append", default=[], metavar="NAME", help="system or variant to compare with"
    )
    parser.add_argument("--draws", type=int, default=1000, help="of speakers (default: 1000)")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("exp_dir", type=Path, nargs="+")
    args = parser.parse_args()
    if bool(args.trials) != bool(args.utt2spk):
        raise RecipeError("--trials and --utt2spk belong together: give both or none")

    found = read_experiments(args.exp_dir)
    evaluation = Evaluation(args.trials, args.utt2spk, args.draws) if args.trials else None
    systems = list(dict.fromkeys(system for system, _ in found))
    against = {name: pairs(systems, name) for name in args.against}
    unknown = next((name for name, groups in against.items() if not groups), None)
    if unknown:
        raise RecipeError(
            f"--against {unknown}: nothing to compare so in {args.exp_dir[0]}: there are {', '.join(systems)}"
        )
    args.out_dir.mkdir(parents=True, exist_ok=True)
    records = [record for group in found.values() for record in group.values()]
    write_text(args.out_dir / "results.json", json.dumps(records, indent=1) + "\n")
    plot_rounds(found, args.out_dir / "eer.svg")
    seeds = len({record["seed"] for record in records} - {None})
    parts = [
        f"# Results of {args.out_dir}",
        f"{seeds} seeds; mean ± standard deviation (n - 1). {describe_origin()} Labels and trials serve "
        "this report only. Kept and corrected: share of the labels in the last epoch and, in brackets, how many of "
        "them were right by the true speakers, in percent; for corrected ones before → after.",
        overview(found, systems),
        "![EER by round](eer.svg)",
    ]
    for reference, groups in against.items():
        log.info("comparing with %s", reference)
        title = reference if reference in systems else f"{reference}, round by round"
        parts += [f"## Difference to {title}", differences(found, groups, evaluation)]
    write_text(args.out_dir / "RESULTS.md", "\n\n".join(parts) + "\n")
    print(parts[2])


if __name__ == "__main__":
    console.run(main)
