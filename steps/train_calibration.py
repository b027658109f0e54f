#!/usr/bin/env python3
"""Train a calibration: it turns scores into log-likelihood ratios, and fuses the scores of several systems.

The training needs your own labelled list of development trials. Their speakers must not be in the evaluation set.
run.sh never calls this script, because the recipe itself uses no labels.

Reads   TRIALS (`enrol test target|nontarget` lines), SCORES... of these trials, one file per system.
        --quality tables: `utterance value` lines with numbers above 0 (utt2dur), or an embedding .scp, whose norms are
        the values.
Writes  CALIBRATION, the weights as JSON, for calibrate_scores.py.

Example
    steps/train_calibration.py dev/trials exp/calibration.json exp/dev/cosine exp/dev/plda --quality dev/utt2dur
"""

from pathlib import Path

import numpy as np

from dlglc import console
from dlglc.console import log
from dlglc.data.tables import read_trials
from dlglc.extras.calibration import Calibration, fit, read_inputs, save
from dlglc.scoring.metrics import roc, summary
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import BackendSettings


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "backend")
    parser.add_argument("--quality", type=Path, nargs="+", default=[], metavar="TABLE", help="quality measures")
    parser.add_argument("trials", type=Path)
    parser.add_argument("calibration", type=Path)
    parser.add_argument("scores", type=Path, nargs="+")
    args = parser.parse_args()

    settings = settings_of(BackendSettings, args)
    prior = settings.calibration_prior
    enrol, test, target = read_trials(args.trials)
    inputs, target = read_inputs(args.scores, args.quality, enrol, test, args.trials), np.array(target)
    weights, offset = fit(inputs, target, prior, settings.calibration_ridge)
    names = [path.name for path in args.scores], [path.name for path in args.quality]
    model = Calibration(prior, *names, weights.tolist(), offset)
    rates = summary(roc(model.apply(inputs), target), (prior,), llr=True)
    log.info(
        "%d training trials, calibrated: EER %.2f %%, Cllr %.4f (minimum %.4f), actDCF %.4f (minimum %.4f)",
        len(target), *(rates[key] for key in ("eer", "cllr", "mincllr", f"actdcf_{prior:g}", f"mindcf_{prior:g}")),
    )  # fmt: skip
    save(args.calibration, model)


if __name__ == "__main__":
    console.run(main)
