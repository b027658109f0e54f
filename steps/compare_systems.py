#!/usr/bin/env python3
"""Compare the systems of several experiments that differ in their seed only: means, deviations, significance, a plot.

A difference of two systems has two intervals. The interval over seeds is Student's 95 % interval of the mean
difference, over the seeds that both systems have. The interval over speakers is from the EERs of both systems under
the same draws of evaluation speakers, averaged over seeds.

Reads   EXP_DIR/<system>/{scores/*.json, scores/*, clusters/quality.json, gate_quality.jsonl, stamp.json}, one EXP_DIR
        per seed. With --utt2spk and --trials also the true speakers, which are resampled.
Writes  OUT_DIR/RESULTS.md, whose main table also goes to the terminal. It has one more table for each --against.
        OUT_DIR/results.json, the records of all seeds.
        OUT_DIR/eer.svg, the EER of each variant by round.

NAME of --against is a system, with which all others are compared, or a variant ("lgl"). The rounds of a variant are
compared with the rounds of the same number of every other variant, one by one and on average.

Example
    steps/compare_systems.py --trials data/mini/eval/trials --utt2spk data/mini/eval/utt2spk.truth --against lgl \\
        exp/mini-ablation exp/mini-ablation/seed0 exp/mini-ablation/seed1 exp/mini-ablation/seed2
"""

from pathlib import Path

from dlglc import console
from dlglc.errors import RecipeError
from dlglc.reports.comparison import Evaluation
from dlglc.reports.pages import comparison_page


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--trials", type=Path, help="evaluation trials, whose speakers are resampled")
    parser.add_argument("--utt2spk", type=Path, help="true speakers of the trials' utterances")
    parser.add_argument(
        "--against", action="append", default=[], metavar="NAME", help="system or variant to compare with"
    )
    parser.add_argument("--draws", type=int, default=1000, help="of speakers (default: 1000)")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("exp_dir", type=Path, nargs="+")
    args = parser.parse_args()
    if bool(args.trials) != bool(args.utt2spk):
        raise RecipeError("--trials and --utt2spk belong together: give both or none")

    evaluation = Evaluation(args.trials, args.utt2spk, args.draws) if args.trials else None
    print(comparison_page(args.exp_dir, args.against, evaluation, args.out_dir))


if __name__ == "__main__":
    console.run(main)
