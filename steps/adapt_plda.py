#!/usr/bin/env python3
"""PLDA moved to the speech of another domain by embeddings without labels: its mean, and variance in excess.

Reads   PLDA_FILE (train_plda.py), EMBEDDING_SCP of the new domain, thousands of utterances of many speakers.
Writes  OUT_FILE, an .npz that score_trials.py --backend plda takes.

Example
    steps/adapt_plda.py exp/voxceleb/round5/plda.npz exp/mine/train/embedding.scp exp/mine/plda_adapted.npz
"""

from pathlib import Path

from libs import cli
from libs.archive import read_embeddings
from libs.cli import RecipeError, log
from libs.config import add_config_options, load_config
from libs.plda import adapt_plda, load_plda, save_plda


def main():
    parser = cli.parser(__doc__)
    add_config_options(parser, "backend")
    parser.add_argument("plda_file", type=Path)
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("out_file", type=Path)
    args = parser.parse_args()

    config = load_config("backend", args.config, args.set)
    within, between, mean_shift = (config[f"adapt_{name}"] for name in ("within", "between", "mean"))
    if min(within, between, mean_shift) < 0 or within + between > 1:
        raise RecipeError(f"adapt_within {within}, adapt_between {between}, adapt_mean {mean_shift}: none below 0, and "
                          "the first two share out one excess: at most 1 together")  # fmt: skip
    model = load_plda(args.plda_file)
    _, matrix = read_embeddings(args.embedding_scp)
    if matrix.shape[1] != len(model.mean):
        raise RecipeError(
            f"{args.embedding_scp}: {matrix.shape[1]} dimensions, {args.plda_file} was trained on {len(model.mean)}: "
            "extract both with one model"
        )
    adapted = adapt_plda(model, matrix, within, between, mean_shift)
    save_plda(args.out_file, adapted)
    log.info(
        "%d embeddings: sum of between-speaker variances over within %.3g, before %.3g",
        len(matrix), adapted.psi.sum(), model.psi.sum(),
    )  # fmt: skip


if __name__ == "__main__":
    cli.run(main)
