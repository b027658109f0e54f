#!/usr/bin/env python3
"""PLDA moved to the speech of another domain by unlabelled embeddings: its mean, and the variance it did not expect.

Reads   PLDA_FILE (train_plda.py), EMBEDDING_SCP of the new domain, thousands of utterances of many speakers.
Writes  OUT_FILE, an .npz that score_trials.py --backend plda takes.

Example
    steps/adapt_plda.py exp/voxceleb/round5/plda.npz exp/mine/train/embedding.scp exp/mine/plda_adapted.npz
"""

from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.arks import read_embeddings
from dlglc.errors import RecipeError
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
    if matrix.shape[1] != len(model.mean):
        raise RecipeError(
            f"{args.embedding_scp}: {matrix.shape[1]} dimensions, {args.plda_file} was trained on {len(model.mean)}: "
            "extract both with one model"
        )
    adapted = adapt_plda(model, matrix, settings.adapt_within, settings.adapt_between, settings.adapt_mean)
    save_plda(args.out_file, adapted)
    log.info(
        "%d embeddings: sum of between-speaker variances over within %.3g, before %.3g",
        len(matrix), adapted.psi.sum(), model.psi.sum(),
    )  # fmt: skip


if __name__ == "__main__":
    console.run(main)
