#!/usr/bin/env python3
"""Error rates of a score file: EER (percent) and minDCF at p_target 0.01 and 0.05, as one JSON object.

eer is where P_miss = P_fa on the ROC, linear between its corners; eer_hull is the same on the ROC's convex hull (a
little lower). minDCF is normalised by the better of accepting all and rejecting all.

With --utt2spk, each rate has its 95 % interval as <rate>_ci, from draws of speakers. With --against, the object
`against` tells for each rate the difference to OTHER_SCORES on the same trials (this file's less the other's), its 95 %
interval under the same draws for both, and the share of the draws in which it is above 0.

Reads   SCORES (`enrol test score`), TRIALS (`enrol test target|nontarget`), both in any order.
Writes  the object to the terminal, and to OUT_JSON where one is named; --det's table.

Example
    steps/compute_metrics.py exp/mini/dino/scores/cosine data/mini/eval/trials
    steps/compute_metrics.py --utt2spk data/mini/eval/utt2spk.truth --against exp/mini/dino/scores/cosine \\
        exp/mini/round3/scores/cosine data/mini/eval/trials
"""

import json
from pathlib import Path

import numpy as np

from dlglc import console
from dlglc.data.tables import read_table, read_trials
from dlglc.errors import RecipeError
from dlglc.extras.bootstrap import bootstrap, interval
from dlglc.files import write_text
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
        "--utt2spk", type=Path, help="true speakers of the trials' utterances: add intervals. A model that it does not "
        "name must bear the name of its speaker"
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
        raise RecipeError(f"--draws {args.draws}: give a number of draws, 1000 or more for an interval to rely on")

    enrol, test, target = read_trials(args.trials)
    files = [args.scores, *([args.against] if args.against else [])]
    curves = [roc(read_scores(file, enrol, test, args.trials), np.array(target)) for file in files]
    operation = (tuple(sorted({0.01, 0.05, *args.p_target})), args.c_miss, args.c_fa)
    record = summary(curves[0], *operation, args.llr)
    if args.utt2spk:
        speakers = speakers_of(enrol, test, target, args.utt2spk, args.trials)
        drawn = bootstrap(curves, *speakers, *operation, args.draws, args.seed)
        names = ["eer", *(f"mindcf_{p:g}" for p in operation[0])]
        record |= {f"{name}_ci": interval(values) for name, values in zip(names, drawn[0].T)}
        if args.against:
            other = summary(curves[1], *operation)
            against = {"scores": str(args.against)}
            for name, values in zip(names, (drawn[0] - drawn[1]).T):
                against[f"{name}_difference"] = round(record[name] - other[name], 5)
                against[f"{name}_difference_ci"] = interval(values)
                against[f"{name}_share_above"] = round(float(np.mean(values > 0)), 4)
            record["against"] = against
    if args.det:
        rows = "".join(f"{miss:.6g} {fa:.6g} {at:.6g}\n" for miss, fa, at in det_points(curves[0]).tolist())
        write_text(args.det, "# p_miss p_fa threshold\n" + rows)
    text = json.dumps(record)
    print(text)
    if args.out_json:
        write_text(args.out_json, text + "\n")


def speakers_of(
    enrol: list[str], test: list[str], target: list[bool], utt2spk: Path, trials: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Speaker numbers of both sides of every trial.

    Raises:
        RecipeError: an unknown utterance, or speakers that disagree with what the trial says, by file and line.
    """
    table = read_table(utt2spk)
    number = {speaker: i for i, speaker in enumerate(dict.fromkeys(table.values()))}
    number |= {utt: number[speaker] for utt, speaker in table.items()}
    for line, (e, t, same) in enumerate(zip(enrol, test, target), 1):
        missing = next((name for name in (e, t) if name not in number), None)
        if missing is not None:
            raise RecipeError(f"{trials}:{line}: no speaker for '{missing}' in {utt2spk}: add a line for it")
        if (number[e] == number[t]) != same:
            kind = "target" if same else "nontarget"
            raise RecipeError(f"{trials}:{line}: {e} {t} is a {kind} trial, {utt2spk} says otherwise: mend either")
    return np.array([number[e] for e in enrol]), np.array([number[t] for t in test])


if __name__ == "__main__":
    console.run(main)
