"""The scores of a trial list: back-end, enrolment models, score normalisation (steps/score_trials.py)."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..console import log
from ..data.arks import check_dimension, find_rows, read_embeddings
from ..data.tables import read_table, read_trials
from ..errors import RecipeError
from ..provenance import Stamp
from ..settings.schema import BackendSettings
from .backends import Backend, Cosine, dot_trials
from .cohort import as_norm, cohort_statistics
from .plda import PldaBackend, load_plda
from .scores import write_scores


@dataclass(frozen=True)
class ScoringFiles:
    """The files that scores are made from. All embeddings are of one model.

    Attributes:
        trials: the trial list.
        embeddings: .scp of the test side, and of the enrolment side too unless `enrol` is given.
        mean_from: .scp of unlabelled embeddings, for the mean and the whitening of cosine scoring.
        plda: .npz of a PLDA model; scores are cosines without it.
        cohort: .scp of the cohort; scores are not normalised without it.
        cohort_clusters: `utterance cluster` lines of the cohort, for `cohort: clusters`.
        enrol: .scp of the enrolment side.
        enrol_utts: `model utt1 utt2 …` lines; enrolment ids of the trials are models.
    """

    trials: Path
    embeddings: Path
    mean_from: Path | None = None
    plda: Path | None = None
    cohort: Path | None = None
    cohort_clusters: Path | None = None
    enrol: Path | None = None
    enrol_utts: Path | None = None


class Side(NamedTuple):
    """One side of the trials.

    Attributes:
        rows: (T,) row in `vectors` of each trial.
        vectors: (N, d) in the space of the back-end.
        counts: (N,) utterances of each enrolment model, if the scores depend on them, else None.
    """

    rows: Array
    vectors: Array
    counts: Array | None = None


def stamp_of_scores(scores: Path) -> Path:
    """The record beside a score file."""
    return scores.with_name(f".{scores.name}.stamp")


def score_trials(files: ScoringFiles, settings: BackendSettings, out_scores: Path) -> None:
    """Write `enrol test score` lines in the order of the trials.

    Raises:
        RecipeError: files that are missing or do not fit together, each by file and line.
    """
    utt2cluster = files.cohort_clusters if settings.cohort == "clusters" else None
    if files.cohort and settings.cohort == "clusters" and utt2cluster is None:
        raise RecipeError("cohort: clusters needs --cohort-clusters, a table `utterance cluster` of the --cohort")
    enrol_names, test_names, _ = read_trials(files.trials)
    ids, matrix = read_embeddings(files.embeddings)
    columns = find_rows(ids, test_names, files.embeddings, files.trials)
    backend = open_backend(files, settings, matrix.shape[1])
    test = Side(columns, backend.represent(matrix))
    enrol = enrolment(files, backend, enrol_names, ids, matrix.shape[1], test.vectors)
    scores = dot_trials(*backend.score_factors(enrol.vectors, test.vectors, enrol.counts), enrol.rows, test.rows)
    if files.cohort:
        cohort, top = open_cohort(files.cohort, utt2cluster, settings, backend, matrix.shape[1])
        scores = normalise(scores, enrol, test, backend, cohort, top)
    inputs = [getattr(files, field.name) for field in fields(files) if field.name != "cohort_clusters"]
    stamp = Stamp(stamp_of_scores(out_scores), {"backend": settings}, [*inputs, utt2cluster], [out_scores])
    stamp.clear()
    write_scores(out_scores, enrol_names, test_names, scores)
    stamp.write()
    log.info("%d trials scored", len(scores))


def open_backend(files: ScoringFiles, settings: BackendSettings, dimension: int) -> Backend:
    """PLDA if there is a model, else cosine.

    Args:
        dimension: D of the embeddings that will be scored.
    """
    if files.plda:
        model = load_plda(files.plda)
        check_dimension(files.embeddings, dimension, len(model.mean), f"{files.plda} was trained on")
        return PldaBackend(model, exact=settings.plda_enrolment == "exact")
    others = read(files.mean_from, dimension)[1] if files.mean_from else None
    if settings.whiten and others is None:
        raise RecipeError("whiten needs --mean-from, the unlabelled embeddings that it is learned on")
    return Cosine(others, settings.whiten)


def enrolment(
    files: ScoringFiles, backend: Backend, names: list[str], ids: list[str], dimension: int, test: Array
) -> Side:
    """The enrolment side of the trials.

    Args:
        names: (T,) enrolment ids of the trials.
        ids: N utterance ids of files.embeddings.
        dimension: D of the embeddings.
        test: (N, d) vectors of these utterances.
    """
    vectors, scp = test, files.embeddings
    if files.enrol:
        scp = files.enrol
        ids, matrix = read(scp, dimension)
        vectors = backend.represent(matrix)
    if files.enrol_utts is None:
        return Side(find_rows(ids, names, scp, files.trials), vectors)
    models = read_table(files.enrol_utts)
    rows = find_rows(list(models), names, files.enrol_utts, files.trials)
    return Side(rows, *backend.enrol(vectors, *model_utterances(models, files.enrol_utts, ids, scp)))


def model_utterances(models: dict[str, str], models_file: Path, ids: list[str], ids_file: Path) -> tuple[Array, Array]:
    """(M,) row in `ids` of each utterance of each model, and (M,) number of the model."""
    index = {utt: row for row, utt in enumerate(ids)}
    pairs = []
    for number, utts in enumerate(models.values()):
        for utt in utts.split():
            if utt not in index:
                raise RecipeError(f"{models_file}:{number + 1}: no embedding for '{utt}' in {ids_file}: extract it")
            pairs.append((index[utt], number))
    rows, numbers = np.array(pairs).T
    return rows, numbers


def open_cohort(
    scp: Path, utt2cluster: Path | None, settings: BackendSettings, backend: Backend, dimension: int
) -> tuple[Array, int]:
    """(C, d) vectors of the cohort, and the number of members that count for a vector; 0 = all.

    Args:
        scp: embeddings of the cohort.
        utt2cluster: their clusters. The members are then the clusters' means; None = the utterances.
        dimension: D of the embeddings.
    """
    ids, matrix = read(scp, dimension)
    cohort = backend.represent(matrix)
    if utt2cluster:
        table = read_table(utt2cluster)
        clusters = np.unique(list(table.values()), return_inverse=True)[1]
        cohort = backend.cohort(cohort, find_rows(ids, list(table), scp, utt2cluster), clusters)
    if settings.top_n > len(cohort):
        log.info("top_n is %d, the cohort has only %d members: all of them are taken", settings.top_n, len(cohort))
        return cohort, 0
    return cohort, settings.top_n


def normalise(scores: Array, enrol: Side, test: Side, backend: Backend, cohort: Array, top: int) -> Array:
    """AS-norm of the trials' scores (S-norm with top = 0)."""
    test_statistics = cohort_statistics(*backend.score_factors(test.vectors, cohort, None), top)
    if enrol.vectors is test.vectors:
        enrol_statistics = test_statistics
    else:
        enrol_statistics = cohort_statistics(*backend.score_factors(enrol.vectors, cohort, enrol.counts), top)
    return as_norm(scores, enrol_statistics, test_statistics, enrol.rows, test.rows)


def read(scp: Path, dimension: int) -> tuple[list[str], Array]:
    """Ids and embeddings, which must be of the same model as those of the trials."""
    ids, matrix = read_embeddings(scp)
    check_dimension(scp, matrix.shape[1], dimension, "the trials' embeddings have")
    return ids, matrix
