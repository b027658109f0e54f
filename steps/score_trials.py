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

import argparse
from pathlib import Path

import numpy as np

from dlglc import console
from dlglc.console import log
from dlglc.data.arks import read_embeddings, rows_of
from dlglc.data.tables import read_table, read_trials
from dlglc.errors import RecipeError
from dlglc.scoring.backends import Backend, Cosine, dot_trials
from dlglc.scoring.cohort import as_norm, cohort_statistics
from dlglc.scoring.plda import PldaBackend, load_plda
from dlglc.scoring.scores import write_scores
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import BackendSettings


def main() -> None:
    args = options()
    settings = settings_of(BackendSettings, args)
    if args.backend == "plda" and args.plda is None:
        raise RecipeError("--backend plda needs --plda MODEL: train it with steps/train_plda.py")
    if args.cohort and settings.cohort == "clusters" and args.cohort_clusters is None:
        raise RecipeError("cohort: clusters needs --cohort-clusters, a table `utterance cluster` of the --cohort")

    enrol_names, test_names, _ = read_trials(args.trials)
    ids, matrix = read_embeddings(args.embedding_scp)
    columns = rows_of(ids, test_names, args.embedding_scp, args.trials)
    backend = open_backend(args, settings, matrix.shape[1])
    test = backend.represent(matrix)
    rows, enrol, counts = enrolment(args, backend, enrol_names, ids, matrix, test)
    scores = dot_trials(*backend.sides(enrol, test, counts), rows, columns)
    if args.cohort:
        cohort, top = open_cohort(args, settings, backend, matrix.shape[1])
        test_statistics = cohort_statistics(*backend.sides(test, cohort, None), top)
        same = enrol is test
        enrol_statistics = test_statistics if same else cohort_statistics(*backend.sides(enrol, cohort, counts), top)
        scores = as_norm(scores, enrol_statistics, test_statistics, rows, columns)
    write_scores(args.scores, enrol_names, test_names, scores)
    log.info("%d trials scored", len(scores))


def options() -> argparse.Namespace:
    """The words of the command line."""
    parser = console.parser(__doc__)
    add_settings_options(parser, "backend")
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
    if args.top_n is not None:
        args.set.append(f"top_n={args.top_n}")
    return args


def open_backend(args: argparse.Namespace, settings: BackendSettings, dimension: int) -> Backend:
    """The back-end that the options ask for, of embeddings of so many dimensions."""
    if args.backend == "cosine":
        others = read(args.mean_from, dimension)[1] if args.mean_from else None
        if settings.whiten and others is None:
            raise RecipeError("whiten needs --mean-from, the unlabelled embeddings that it is learned on")
        return Cosine(others, settings.whiten)
    model = load_plda(args.plda)
    if len(model.mean) != dimension:
        raise RecipeError(
            f"{args.plda}: trained on {len(model.mean)} dimensions, {args.embedding_scp} has {dimension}: "
            "train it on the same encoder's embeddings"
        )
    return PldaBackend(model, exact=settings.plda_enrolment == "exact")


def enrolment(
    args: argparse.Namespace, backend: Backend, names: list[str], ids: list[str], matrix: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The enrolment side: row of each trial, vectors, and numbers of utterances where the scores depend on them."""
    vectors, scp = test, args.embedding_scp
    if args.enrol:
        scp = args.enrol
        ids, own = read(scp, matrix.shape[1])
        vectors = backend.represent(own)
    if args.enrol_utts is None:
        return rows_of(ids, names, scp, args.trials), vectors, None
    models = read_table(args.enrol_utts)
    rows = rows_of(list(models), names, args.enrol_utts, args.trials)
    return rows, *backend.enrol(vectors, *members(models, args.enrol_utts, ids, scp))


def open_cohort(
    args: argparse.Namespace, settings: BackendSettings, backend: Backend, dimension: int
) -> tuple[np.ndarray, int]:
    """Vectors of the cohort, utterances or means of clusters, and how many of them count."""
    ids, matrix = read(args.cohort, dimension)
    cohort = backend.represent(matrix)
    if settings.cohort == "clusters":
        table = read_table(args.cohort_clusters)
        clusters = np.unique(list(table.values()), return_inverse=True)[1]
        cohort = backend.cohort(cohort, rows_of(ids, list(table), args.cohort, args.cohort_clusters), clusters)
    if settings.top_n > len(cohort):
        log.info("top_n is %d, the cohort has only %d members: all of them are taken", settings.top_n, len(cohort))
        return cohort, 0
    return cohort, settings.top_n


def read(scp: Path, dimension: int) -> tuple[list[str], np.ndarray]:
    """Embeddings that must be of the same encoder as those of the trials."""
    ids, matrix = read_embeddings(scp)
    if matrix.shape[1] != dimension:
        raise RecipeError(
            f"{scp}: {matrix.shape[1]} dimensions, the trials' embeddings have {dimension}: extract both with one model"
        )
    return ids, matrix


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
    console.run(main)
