#!/usr/bin/env python3
"""Turn scores into log-likelihood ratios with a trained calibration. Scores of several systems are fused.

Reads   CALIBRATION (from train_calibration.py), SCORES... of the systems that it was trained on. Score files and
        --quality tables have the same names and the same order as in the training. The trials are those of the first
        score file.
Writes  OUT_SCORES, `enrol test llr` lines in the order of the first score file.

Example
    steps/calibrate_scores.py exp/calibration.json exp/fused exp/eval/cosine exp/eval/plda --quality eval/utt2dur
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.errors import RecipeError
from dlglc.extras.calibration import load, read_inputs
from dlglc.scoring.scores import read_pairs, write_scores


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument(
        "--quality", type=Path, nargs="+", default=[], metavar="TABLE", help="the quality measures of the training"
    )
    parser.add_argument("calibration", type=Path)
    parser.add_argument("out_scores", type=Path)
    parser.add_argument("scores", type=Path, nargs="+")
    args = parser.parse_args()

    model = load(args.calibration)
    for what, wanted, given in (("scores", model.scores, args.scores), ("--quality", model.quality, args.quality)):
        if wanted != [path.name for path in given]:
            raise RecipeError(
                f"{args.calibration}: trained on {what} {' '.join(wanted) or 'none'}, given "
                f"{' '.join(path.name for path in given) or 'none'}: give files with the names and the order of the "
                "training"
            )
    enrol, test = read_pairs(args.scores[0])
    ratios = model.apply(read_inputs(args.scores, args.quality, enrol, test, args.scores[0]))
    write_scores(args.out_scores, enrol, test, ratios)
    log.info("%d trials calibrated", len(ratios))


if __name__ == "__main__":
    console.run(main)
