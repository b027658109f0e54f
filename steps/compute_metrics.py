#!/usr/bin/env python3
"""Error rates of a score file: EER (percent) and minDCF at p_target 0.01 and 0.05, as one JSON object.

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
    parser.add_argument("scores", type=Path)
    parser.add_argument("trials", type=Path)
    parser.add_argument("out_json", type=Path, nargs="?")
    args = parser.parse_args()

    enrol, test, target = read_trials(args.trials)
    pairs, scores = read_scores(args.scores)
    wanted = list(zip(enrol, test))
    if pairs != wanted:
        found = dict(zip(pairs, scores))
        missing = next((i for i, pair in enumerate(wanted) if pair not in found), None)
        if missing is not None:
            raise RecipeError(
                f"{args.trials}:{missing + 1}: no score for {' '.join(wanted[missing])} in {args.scores}: score it"
            )
        scores = np.array([found[pair] for pair in wanted])
    text = json.dumps(summary(scores, np.array(target)))
    print(text)
    if args.out_json:
        write_text(args.out_json, text + "\n")


def read_scores(path: Path) -> tuple[list[tuple[str, str]], np.ndarray]:
    """The pairs and the scores of a score file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such score file: run steps/score_trials.py first") from None
    pairs, scores = [], np.empty(len(lines))
    for i, line in enumerate(lines):
        parts = line.split()
        try:
            enrol, test, scores[i] = parts[0], parts[1], float(parts[2])
        except (IndexError, ValueError):
            raise RecipeError(f"{path}:{i + 1}: expected 'enrol test score', found {line!r}") from None
        pairs.append((enrol, test))
    return pairs, scores


if __name__ == "__main__":
    cli.run(main)
