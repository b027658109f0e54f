#!/usr/bin/env python3
"""LDA and PLDA on pseudo labels: no true speaker is looked at.

Reads   EMBEDDING_SCP, UTT2CLUSTER.
Writes  OUT_FILE, an .npz that score_trials.py --backend plda takes.

Example
    steps/train_plda.py exp/mini/dino/train/embedding.scp exp/mini/dino/clusters/utt2cluster exp/mini/dino/plda.npz
"""

from collections import Counter
from pathlib import Path

from libs import cli
from libs.archive import read_embeddings, rows_of
from libs.cli import log
from libs.config import add_config_options, load_config
from libs.datadir import read_table
from libs.plda import save_plda, train_plda


def main():
    parser = cli.parser(__doc__)
    add_config_options(parser, "backend")
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("utt2cluster", type=Path)
    parser.add_argument("out_file", type=Path)
    args = parser.parse_args()

    config = load_config("backend", args.config, args.set)
    ids, matrix = read_embeddings(args.embedding_scp)
    table = read_table(args.utt2cluster)
    rows = rows_of(ids, list(table), args.embedding_scp, args.utt2cluster)
    sizes = Counter(table.values()).values()
    used = [size for size in sizes if size >= config["min_class_size"]]
    log.info(
        "%d of %d clusters have %d or more utterances: %d of %d utterances train LDA and PLDA",
        len(used), len(sizes), config["min_class_size"], sum(used), len(table),
    )  # fmt: skip
    model, likelihoods = train_plda(
        matrix[rows], list(table.values()), config["lda_dim"], config["min_class_size"], config["iterations"]
    )
    if len(model.psi) < config["lda_dim"]:
        log.info("LDA to %d dimensions, not %d: no more with %d clusters", len(model.psi), config["lda_dim"], len(used))
    for i, likelihood in enumerate(likelihoods):
        log.info("EM step %d: log-likelihood %.4f per vector", i + 1, likelihood)
    save_plda(args.out_file, model)
    log.info("%d dimensions, between-speaker variances %.3g to %.3g", len(model.psi), model.psi[0], model.psi[-1])


if __name__ == "__main__":
    cli.run(main)
