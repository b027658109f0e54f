#!/usr/bin/env python3
"""Train LDA and PLDA on pseudo labels. True speakers are not used.

Reads   EMBEDDING_SCP, UTT2CLUSTER.
Writes  OUT_FILE, an .npz for score_trials.py --backend plda.

Example
    steps/train_plda.py exp/mini/dino/train/embedding.scp exp/mini/dino/clusters/utt2cluster exp/mini/dino/plda.npz
"""

from collections import Counter
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.arks import find_rows, read_embeddings
from dlglc.data.tables import read_table
from dlglc.provenance import Stamp
from dlglc.scoring.plda import save_plda, train_plda
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import BackendSettings


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "backend")
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("utt2cluster", type=Path)
    parser.add_argument("out_file", type=Path)
    args = parser.parse_args()

    settings = settings_of(BackendSettings, args)
    ids, matrix = read_embeddings(args.embedding_scp)
    table = read_table(args.utt2cluster)
    rows = find_rows(ids, list(table), args.embedding_scp, args.utt2cluster)
    sizes = Counter(table.values()).values()
    used = [size for size in sizes if size >= settings.min_class_size]
    log.info(
        "%d of %d clusters have %d or more utterances: %d of %d utterances train LDA and PLDA",
        len(used), len(sizes), settings.min_class_size, sum(used), len(table),
    )  # fmt: skip
    model, likelihoods = train_plda(
        matrix[rows], list(table.values()), settings.lda_dim, settings.min_class_size, settings.iterations
    )
    if len(model.psi) < settings.lda_dim:
        log.info("LDA to %d dimensions, not %d: %d clusters allow no more", len(model.psi), settings.lda_dim, len(used))
    for i, likelihood in enumerate(likelihoods):
        log.info("EM step %d: log-likelihood %.4f per vector", i + 1, likelihood)
    inputs = [args.embedding_scp, args.utt2cluster]
    stamp = Stamp(args.out_file.with_suffix(".json"), {"backend": settings}, inputs, [args.out_file])
    stamp.clear()
    save_plda(args.out_file, model)
    stamp.write()
    log.info("%d dimensions, between-speaker variances %.3g to %.3g", len(model.psi), model.psi[0], model.psi[-1])


if __name__ == "__main__":
    console.run(main)
