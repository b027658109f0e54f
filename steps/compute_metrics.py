#!/usr/bin/env python3
"""Error rates of a score file: EER (percent) and minDCF at p_target 0.01 and 0.05, as one JSON object.

eer is where P_miss = P_fa on the ROC, linear between its corners; eer_hull is the same on the ROC's convex hull (a
little lower). minDCF is normalised by the better of accepting all and rejecting all.

Reads   SCORES (`enrol test score`), TRIALS (`enrol test target|nontarget`), both in any order.
Writes  the object to the terminal, and to OUT_JSON where one is named.

Example
    steps/compute_metrics.py exp/mini/dino/scores/cosine data/mini/eval/trials
"""

import json
from pathlib import Path

import numpy as np
from libs import cli
from libs.cli import RecipeError
from libs.datadir import read_trials, write_text
from libs.metrics import summary


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--p-target", type=float, action="append", default=[], metavar="P", help="further minDCF point")
    parser.add_argument("--c-miss", type=float, default=1.0, help="cost of a miss (default: 1)")
    parser.add_argument("--c-fa", type=float, default=1.0, help="cost of a false alarm (default: 1)")
    parser.add_argument(
        "--llr", action="store_true", help="scores are log-likelihood ratios: add actDCF, Cllr, minCllr"
    )
    parser.add_argument("scores", type=Path)
    parser.add_argument("trials", type=Path)
    parser.add_argument("out_json", type=Path, nargs="?")
    args = parser.parse_args()

    enrol, test, target = read_trials(args.trials)
    scores = read_scores(args.scores, enrol, test, args.trials)
    points = tuple(sorted({0.01, 0.05, *args.p_target}))
    text = json.dumps(summary(scores, np.array(target), points, args.c_miss, args.c_fa, args.llr))
    print(text)
    if args.out_json:
        write_text(args.out_json, text + "\n")


def read_scores(path: Path, enrol: list[str], test: list[str], trials: Path) -> np.ndarray:
    """The score of every trial.

    Args:
        path: `enrol test score` lines. A file in the order of the trials is taken as it stands, another is looked up.
        enrol, test: the trials' ids.
        trials: the file that these are from, for the message.

    Raises:
        RecipeError: a trial without a score, a pair with two scores, a line of another form, each by file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such score file: run steps/score_trials.py first") from None
    words = text.split()
    if words[0::3] == enrol and words[1::3] == test and len(words) == 3 * len(enrol):
        try:
            return np.array(words[2::3], dtype=np.float64)
        except ValueError:
            pass  # the search below names the line
    found: dict[tuple[str, str], float] = {}
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        try:
            pair, score = (parts[0], parts[1]), float(parts[2])
        except (IndexError, ValueError):
            raise RecipeError(f"{path}:{number}: expected 'enrol test score', found {line!r}") from None
        if (earlier := found.setdefault(pair, score)) is not score and earlier != score:
            raise RecipeError(f"{path}:{number}: {' '.join(pair)} has another score further up: score the trials again")
    try:
        return np.array([found[pair] for pair in zip(enrol, test)])
    except KeyError:
        number, pair = next((n, p) for n, p in enumerate(zip(enrol, test), 1) if p not in found)
        raise RecipeError(f"{trials}:{number}: no score for {' '.join(pair)} in {path}: score it") from None


if __name__ == "__main__":
    cli.run(main)
