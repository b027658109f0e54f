#!/usr/bin/env python3
"""Make a bundle: one file that holds all that a user of a trained system needs. The command dlg-lc takes it.

Reads   SYSTEM/{model.pt, train/embedding.scp, clusters/utt2cluster, plda.npz, stamp.json}, DATA/train.
        If there are labelled trials: DATA/eval/{trials, utt2spk.truth}, SYSTEM/eval/embedding.scp.
Writes  BUNDLE, a zip archive with the network (waveform to embedding), the weights, the back-end with its cohort,
        thresholds, calibration, and the card of the model; BUNDLE's record with the ending .json. A finished bundle of
        the same inputs is kept.

Back-end auto is PLDA if it has 20 dimensions or more, else cosine with AS-norm. Error rates play no part in this
choice.
With labelled trials, thresholds and calibration are those of the trials. Without them, thresholds come from pairs of
different clusters of the training set, and there is no calibration. The card says which.

Example
    steps/make_bundle.py --data data/mini exp/mini/round3 exp/mini/round3/bundle.dlglc
"""

from pathlib import Path

from dlglc import __version__, console
from dlglc.bundles.making import Request, make_bundle
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import BackendSettings


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "backend")
    parser.add_argument("--data", type=Path, required=True, help="data directory of the experiment")
    parser.add_argument(
        "--backend", choices=["auto", "plda", "asnorm", "cosine"], default="auto", help="(default: auto, see above)"
    )
    parser.add_argument("--cohort", type=int, default=2000, help="most clusters in the cohort (default: 2000)")
    parser.add_argument(
        "--note", action="append", default=[], help="a sentence for the limits on the card: languages, licences, …"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the training pairs for thresholds (default: 0)")
    parser.add_argument("system", type=Path)
    parser.add_argument("bundle", type=Path)
    args = parser.parse_args()

    request = Request(args.system, args.data, args.backend, args.cohort, args.note, args.seed, __version__)
    make_bundle(request, settings_of(BackendSettings, args), args.bundle)


if __name__ == "__main__":
    console.run(main)
