#!/usr/bin/env python3
"""Scores of verification trials: cosine or PLDA, with AS-norm against a cohort where one is given.

Reads   TRIALS (`enrol test target|nontarget`; the answer is not looked at), EMBEDDING_SCP.
Writes  SCORES, `enrol test score` in the order of TRIALS.

Example
    steps/score_trials.py --backend cosine --mean-from exp/mini/dino/train/embedding.scp \\
        data/mini/eval/trials exp/mini/dino/eval/embedding.scp exp/mini/dino/scores/cosine
"""

from pathlib import Path

from libs import cli
from libs.archive import read_embeddings, rows_of
from libs.backend import as_norm, cohort_statistics, dot_trials, unit_length
from libs.cli import RecipeError, log
from libs.config import add_config_options, load_config
from libs.datadir import read_trials, write_text
from libs.plda import load_plda


def main():
    parser = cli.parser(__doc__)
    add_config_options(parser, "backend")
    parser.add_argument("--backend", choices=["cosine", "plda"], default="cosine", help="(default: cosine)")
    parser.add_argument("--mean-from", type=Path, metavar="SCP", help="cosine: subtract the mean of these embeddings")
    parser.add_argument("--cohort", type=Path, metavar="SCP", help="cosine: normalise scores against these (AS-norm)")
    parser.add_argument("--top-n", type=int, help="of the cohort, instead of the configuration's top_n")
    parser.add_argument("--plda", type=Path, metavar="NPZ", help="plda: the model from train_plda.py")
    parser.add_argument("trials", type=Path)
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("scores", type=Path)
    args = parser.parse_args()

    config = load_config("backend", args.config, args.set)
    if args.backend == "plda" and (args.plda is None or args.cohort is not None):
        raise RecipeError("--backend plda needs --plda MODEL, and takes no --cohort: its ratios need no normalisation")
    enrol, test, _ = read_trials(args.trials)
    ids, matrix = read_embeddings(args.embedding_scp)
    rows = rows_of(ids, enrol, args.embedding_scp, args.trials)
    columns = rows_of(ids, test, args.embedding_scp, args.trials)
    if args.backend == "cosine":
        mean = read_embeddings(args.mean_from)[1].mean(0) if args.mean_from else None
        x = unit_length(matrix, mean)
        scores = dot_trials(x, x, rows, columns)
        if args.cohort:
            cohort = unit_length(read_embeddings(args.cohort)[1], mean)
            top = config["top_n"] if args.top_n is None else args.top_n
            if top > len(cohort):
                log.info("the cohort has only %d members: all of them are taken", len(cohort))
            statistics = cohort_statistics(x, cohort, max(1, min(top, len(cohort))))
            scores = as_norm(scores, statistics, statistics, rows, columns)
    else:
        model = load_plda(args.plda)
        if len(model.mean) != matrix.shape[1]:
            raise RecipeError(
                f"{args.plda}: trained on {len(model.mean)} dimensions, {args.embedding_scp} has {matrix.shape[1]}: "
                "train it on the same encoder's embeddings"
            )
        u = model.transform(matrix)
        own, weighted = model.score_parts(u)
        scores = dot_trials(weighted.astype("f4"), u.astype("f4"), rows, columns) + own[rows] + own[columns]
    write_text(args.scores, "".join(f"{e} {t} {s:.6f}\n" for e, t, s in zip(enrol, test, scores.tolist())))
    log.info("%d trials scored", len(scores))


if __name__ == "__main__":
    cli.run(main)
