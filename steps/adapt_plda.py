#!/usr/bin/env python3
"""Adapt a PLDA model to the speech of another domain with unlabelled embeddings.

The mean becomes that of the new domain. The variance that the model does not expect is shared between the
within-speaker and the between-speaker covariance (adapt_within and adapt_between in conf/backend.yaml).

Reads   PLDA_FILE (from train_plda.py), EMBEDDING_SCP of the new domain: thousands of utterances of many speakers.
Writes  OUT_FILE, an .npz for score_trials.py --backend plda.

Example
    steps/adapt_plda.py exp/voxceleb/round5/plda.npz exp/mine/train/embedding.scp exp/mine/plda_adapted.npz
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.arks import check_dimension, read_embeddings
from dlglc.scoring.plda import adapt_plda, load_plda, save_plda
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import BackendSettings


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "backend")
    parser.add_argument("plda_file", type=Path)
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("out_file", type=Path)
    args = parser.parse_args()

    settings = settings_of(BackendSettings, args)
    model = load_plda(args.plda_file)
    _, matrix = read_embeddings(args.embedding_scp)
    check_dimension(args.embedding_scp, matrix.shape[1], len(model.mean), f"{args.plda_file} was trained on")
    adapted = adapt_plda(model, matrix, settings.adapt_within, settings.adapt_between, settings.adapt_mean)
    save_plda(args.out_file, adapted)
    log.info(
        "%d embeddings: sum of between-speaker over within-speaker variances %.3g, before the adaptation %.3g",
        len(matrix), adapted.psi.sum(), model.psi.sum(),
    )  # fmt: skip


if __name__ == "__main__":
    console.run(main)
