#!/usr/bin/env python3
"""Error rates of a score file: EER (percent) and minDCF at p_target 0.01 and 0.05, as one JSON object.

eer is the rate at which P_miss = P_fa on the ROC, whose corners are joined by straight lines. eer_hull is the same on
the convex hull of the ROC, and a little lower. minDCF is normalised by the better of accepting all trials and
rejecting all trials.

With --utt2spk, each rate has a 95 % interval, <rate>_ci, from draws of speakers. With --against, the object `against`
has for each rate
    <rate>_difference     this file's rate minus that of OTHER_SCORES, on the same trials
    <rate>_difference_ci  its 95 % interval; both files are resampled with the same draws
    <rate>_share_above    share of the draws in which the difference is above 0

Reads   SCORES (`enrol test score` lines), TRIALS (`enrol test target|nontarget` lines), both in any order.
Writes  the object to the terminal, and to OUT_JSON if it is given; with --det, a table of the ROC.

Example
    steps/compute_metrics.py exp/mini/dino/scores/cosine data/mini/eval/trials
    steps/compute_metrics.py --utt2spk data/mini/eval/utt2spk.truth --against exp/mini/dino/scores/cosine \\
        exp/mini/round3/scores/cosine data/mini/eval/trials
"""

import json
from pathlib import Path

import numpy as np

from dlglc import console
from dlglc.data.tables import read_trials
from dlglc.errors import RecipeError
from dlglc.extras.intervals import trial_speakers, with_intervals
from dlglc.files import write_lines, write_text
from dlglc.scoring.metrics import det_points, roc, summary
from dlglc.scoring.scores import read_scores


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--p-target", type=float, action="append", default=[], metavar="P", help="further DCF point")
    parser.add_argument("--c-miss", type=float, default=1.0, help="cost of a miss (default: 1)")
    parser.add_argument("--c-fa", type=float, default=1.0, help="cost of a false alarm (default: 1)")
    parser.add_argument(
        "--llr", action="store_true", help="scores are log-likelihood ratios: add actDCF, Cllr, minCllr"
    )
    parser.add_argument(
        "--det", type=Path, metavar="TABLE", help="write P_miss, P_fa and threshold at each corner of the ROC's hull"
    )
    parser.add_argument(
        "--utt2spk", type=Path, help="true speakers of the trials' utterances: add intervals. An enrolment model that "
        "this table does not have must have the name of its speaker"
    )  # fmt: skip
    parser.add_argument("--against", type=Path, metavar="OTHER_SCORES", help="add differences to these; with --utt2spk")
    parser.add_argument("--draws", type=int, default=1000, help="of speakers, for the intervals (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    parser.add_argument("scores", type=Path)
    parser.add_argument("trials", type=Path)
    parser.add_argument("out_json", type=Path, nargs="?")
    args = parser.parse_args()
    if args.against and not args.utt2spk:
        raise RecipeError("--against needs --utt2spk, the speakers that are drawn")
    if args.draws < 1:
        raise RecipeError(f"--draws {args.draws}: must be 1 or more; a reliable interval needs 1000 or more")

    enrol, test, target = read_trials(args.trials)
    curve = roc(read_scores(args.scores, enrol, test, args.trials), np.array(target))
    points = (tuple(sorted({0.01, 0.05, *args.p_target})), args.c_miss, args.c_fa)
    record = summary(curve, *points, args.llr)
    if args.utt2spk:
        other = roc(read_scores(args.against, enrol, test, args.trials), np.array(target)) if args.against else None
        speakers = trial_speakers(enrol, test, target, args.utt2spk, args.trials)
        record = with_intervals(record, curve, other, speakers, points, args.draws, args.seed)
        if args.against:
            record["against"] = {"scores": str(args.against), **record["against"]}
    if args.det:
        rows = (f"{miss:.6g} {fa:.6g} {at:.6g}" for miss, fa, at in det_points(curve).tolist())
        write_lines(args.det, ["# p_miss p_fa threshold", *rows])
    text = json.dumps(record)
    print(text)
    if args.out_json:
        write_text(args.out_json, text + "\n")


if __name__ == "__main__":
    console.run(main)
