#!/usr/bin/env python3
"""Scores of verification trials: cosine or PLDA, with AS-norm (or S-norm) against a cohort where one is given.

Reads   TRIALS (`enrol test target|nontarget`; the answer is not looked at), EMBEDDING_SCP.
Writes  SCORES, `enrol test score` in the order of TRIALS. PLDA's scores are log-likelihood ratios.

Enrolment ids are looked up in EMBEDDING_SCP like test ids, or in --enrol. With --enrol-utts they are models of one or
more utterances: cosine takes their mean direction, PLDA does as conf/backend.yaml's plda_enrolment says.

Example
    steps/score_trials.py --backend cosine --mean-from exp/mini/dino/train/embedding.scp \\
        data/mini/eval/trials exp/mini/dino/eval/embedding.scp exp/mini/dino/scores/cosine
"""

from pathlib import Path

import numpy as np
from libs import cli
from libs.archive import read_embeddings, rows_of
from libs.backend import as_norm, cohort_statistics, dot_trials, group_means, unit_length
from libs.cli import RecipeError, log
from libs.config import add_config_options, load_config
from libs.datadir import read_table, read_trials
from libs.plda import load_plda
from libs.scores import write_scores
from libs.whitening import total_whitening


def main():
    parser = cli.parser(__doc__)
    add_config_options(parser, "backend")
    parser.add_argument("--backend", choices=["cosine", "plda"], default="cosine", help="(default: cosine)")
    parser.add_argument("--mean-from", type=Path, metavar="SCP", help="cosine: subtract the mean of these embeddings")
    parser.add_argument("--plda", type=Path, metavar="NPZ", help="plda: the model from train_plda.py")
    parser.add_argument("--cohort", type=Path, metavar="SCP", help="normalise scores against these (AS-norm)")
    parser.add_argument(
        "--cohort-clusters", type=Path, metavar="UTT2CLUSTER", help="clusters of the cohort, for `cohort: clusters`"
    )
    parser.add_argument(
        "--top-n", type=int, help="of the cohort, instead of the configuration's top_n; 0 = all, S-norm"
    )
    parser.add_argument("--enrol", type=Path, metavar="SCP", help="embeddings of the enrolment side")
    parser.add_argument("--enrol-utts", type=Path, metavar="SPK2UTT", help="`model utt1 utt2 …`, the enrolled models")
    parser.add_argument("trials", type=Path)
    parser.add_argument("embedding_scp", type=Path)
    parser.add_argument("scores", type=Path)
    args = parser.parse_args()

    config = load_config("backend", args.config, args.set)
    if config["plda_enrolment"] not in ("book", "average"):
        raise RecipeError(f"plda_enrolment '{config['plda_enrolment']}': choose book or average")
    if args.backend == "plda" and args.plda is None:
        raise RecipeError("--backend plda needs --plda MODEL: train it with steps/train_plda.py")
    if config["cohort"] not in ("utterances", "clusters"):
        raise RecipeError(f"cohort '{config['cohort']}': choose utterances or clusters")
    if args.cohort and config["cohort"] == "clusters" and args.cohort_clusters is None:
        raise RecipeError("cohort: clusters needs --cohort-clusters, a table `utterance cluster` of the --cohort")
    top = config["top_n"] if args.top_n is None else args.top_n
    if top < 0:
        raise RecipeError(f"top_n {top}: give a number of cohort members, or 0 for all of them")

    enrol_names, test_names, _ = read_trials(args.trials)
    ids, matrix = read_embeddings(args.embedding_scp)
    columns = rows_of(ids, test_names, args.embedding_scp, args.trials)
    enrol_scp = args.enrol or args.embedding_scp
    enrol_ids, enrol_matrix = read(args.enrol, matrix.shape[1]) if args.enrol else (ids, matrix)
    models = read_table(args.enrol_utts) if args.enrol_utts else None
    rows = rows_of(list(models or enrol_ids), enrol_names, args.enrol_utts or enrol_scp, args.trials)

    represent, sides = plda(args, matrix) if args.backend == "plda" else cosine(args, matrix, config["whiten"])
    test = represent(matrix)
    enrol, counts = (represent(enrol_matrix) if args.enrol else test), None
    if models:
        enrol, sizes = group_means(enrol, *members(models, args.enrol_utts, enrol_ids, enrol_scp))
        if args.backend == "cosine":
            enrol = unit_length(enrol)
        elif config["plda_enrolment"] == "book":
            counts = sizes
    scores = dot_trials(*sides(enrol, test, counts), rows, columns)
    if args.cohort:
        cohort_ids, cohort = read(args.cohort, matrix.shape[1])
        cohort = represent(cohort)
        if config["cohort"] == "clusters":
            table = read_table(args.cohort_clusters)
            clusters = np.unique(list(table.values()), return_inverse=True)[1]
            in_cohort = rows_of(cohort_ids, list(table), args.cohort, args.cohort_clusters)
            cohort, _ = group_means(cohort, in_cohort, clusters)
            cohort = unit_length(cohort) if args.backend == "cosine" else cohort
        if top > len(cohort):
            log.info("top_n is %d, the cohort has only %d members: all of them are taken", top, len(cohort))
            top = 0
        test_statistics = cohort_statistics(*sides(test, cohort, None), top)
        same = enrol is test
        enrol_statistics = test_statistics if same else cohort_statistics(*sides(enrol, cohort, counts), top)
        scores = as_norm(scores, enrol_statistics, test_statistics, rows, columns)
    write_scores(args.scores, enrol_names, test_names, scores)
    log.info("%d trials scored", len(scores))


def read(scp: Path, dimension: int) -> tuple[list[str], np.ndarray]:
    """Embeddings that must be of the same encoder as those of the trials."""
    ids, matrix = read_embeddings(scp)
    if matrix.shape[1] != dimension:
        raise RecipeError(
            f"{scp}: {matrix.shape[1]} dimensions, the trials' embeddings have {dimension}: extract both with one model"
        )
    return ids, matrix


def cosine(args, matrix: np.ndarray, whiten: float) -> tuple:
    """Embeddings to unit vectors; a score is their inner product."""
    others = read(args.mean_from, matrix.shape[1])[1] if args.mean_from else None
    mean = None if others is None else others.mean(0)
    if whiten and mean is None:
        raise RecipeError("whiten needs --mean-from, the unlabelled embeddings that it is learned on")
    white = total_whitening(others, whiten) if whiten else None
    represent = (lambda x: unit_length((x - mean) @ white)) if whiten else (lambda x: unit_length(x, mean))
    return represent, (lambda enrol, test, counts: (enrol, test))


def plda(args, matrix: np.ndarray) -> tuple:
    """Embeddings to PLDA's space, and there to vectors whose inner products are the ratios."""
    model = load_plda(args.plda)
    if len(model.mean) != matrix.shape[1]:
        raise RecipeError(
            f"{args.plda}: trained on {len(model.mean)} dimensions, {args.embedding_scp} has {matrix.shape[1]}: "
            "train it on the same encoder's embeddings"
        )
    return model.transform, model.sides


def members(models: dict[str, str], models_file: Path, ids: list[str], ids_file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Row of each model's utterances in `ids`, and the number of the model."""
    index = {utt: row for row, utt in enumerate(ids)}
    pairs = []
    for number, utts in enumerate(models.values()):
        for utt in utts.split():
            if utt not in index:
                raise RecipeError(f"{models_file}:{number + 1}: no embedding for '{utt}' in {ids_file}: extract it")
            pairs.append((index[utt], number))
    return tuple(np.array(pairs).T)


if __name__ == "__main__":
    cli.run(main)
