#!/usr/bin/env python3
"""Learn to turn scores into log-likelihood ratios, fusing several systems where several are given.

This needs a labelled list of development trials of your own, with other speakers than the evaluation's. run.sh never
calls it: the recipe itself looks at no label.

Reads   TRIALS (`enrol test target|nontarget`), SCORES... of them; --quality: tables `utterance value` of numbers above
        0 (utt2dur), or an embedding .scp for the norms.
Writes  CALIBRATION, weights as JSON, for calibrate_scores.py.

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
    parser.add_argument("--quality", type=Path, nargs="+", default=[], metavar="TABLE", help="further inputs")
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
        "%d trials, on themselves: EER %.2f %%, Cllr %.4f (least possible %.4f), actDCF %.4f (least possible %.4f)",
        len(target), *(rates[key] for key in ("eer", "cllr", "mincllr", f"actdcf_{prior:g}", f"mindcf_{prior:g}")),
    )  # fmt: skip
    save(args.calibration, model)


if __name__ == "__main__":
    console.run(main)
