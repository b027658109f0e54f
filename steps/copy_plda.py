#!/usr/bin/env python3
"""Convert PLDA models between this recipe's .npz and the three files of Kaldi's recipes.

Reads   IN: an .npz, or a directory with Kaldi's mean.vec, transform.mat and plda (binary or text).
Writes  OUT: an .npz if its name ends in .npz, else a directory with Kaldi's three files (binary).

Kaldi's ivector-plda-scoring gives the scores of score_trials.py with --normalize-length=false.

Example
    steps/copy_plda.py exp/mini/round3/plda.npz exp/mini/round3/kaldi_plda
    steps/copy_plda.py exp/xvectors_sre exp/sre/plda.npz
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.extras.kaldi_plda import load_kaldi_plda, save_kaldi_plda
from dlglc.scoring.plda import load_plda, save_plda


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("source", type=Path, metavar="IN")
    parser.add_argument("copy", type=Path, metavar="OUT")
    args = parser.parse_args()

    model = (load_plda if args.source.suffix == ".npz" else load_kaldi_plda)(args.source)
    (save_plda if args.copy.suffix == ".npz" else save_kaldi_plda)(args.copy, model)
    log.info("%d to %d dimensions", *model.lda.shape)


if __name__ == "__main__":
    console.run(main)
