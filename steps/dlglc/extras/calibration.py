"""Calibration and fusion of scores to log-likelihood ratios by logistic regression."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from ..arrays import Array
from ..data.arks import read_embeddings
from ..data.tables import read_table
from ..errors import RecipeError
from ..files import write_text
from ..scoring.scores import read_scores


@dataclass
class Calibration:
    """LLR = offset + weights · inputs, natural logarithm.

    Attributes:
        p_target: prior for which the training weighted target and nontarget trials.
        scores, quality: names of the score files and of the quality measures, in the order of the inputs.
        weights: one for each score; then two for each quality measure, for the smaller and the larger logarithm of both
            sides.
        offset: a constant.
    """

    p_target: float
    scores: list[str]
    quality: list[str]
    weights: list[float]
    offset: float

    def apply(self, inputs: Array) -> Array:
        """(T, K) inputs to (T,) log-likelihood ratios."""
        ratios: Array = inputs @ np.array(self.weights) + self.offset
        return ratios


def fit(inputs: Array, target: Array, p_target: float, ridge: float) -> tuple[Array, float]:
    """Prior-weighted linear logistic regression (Brümmer et al., "Fusion of heterogeneous speaker recognition systems",
    IEEE TASLP 15(7), 2007).

    With o = llr + logit(p_target), it minimises
        p_target mean_target ln(1 + exp(-o)) + (1 - p_target) mean_nontarget ln(1 + exp(o)) + ridge/2 |w|²,
    where w are the weights of the inputs scaled to variance 1.

    Args:
        inputs: (T, K).
        target: (T,) bool, whether each trial is a target trial.
        p_target: prior at which the ratios will be used, between 0 and 1.
        ridge: above 0. It keeps the weights finite if the inputs separate the two kinds of trials without an error.

    Returns:
        (K,) weights and the offset.

    Raises:
        RecipeError: one kind of trial is missing.
    """
    if target.all() or not target.any():
        kind = "nontarget" if target.all() else "target"
        raise RecipeError(f"{len(target)} trials without a single {kind} one: calibration is learned from both kinds")
    mean, deviation = inputs.mean(0), inputs.std(0)
    deviation[deviation < 1e-12 * (1 + abs(mean))] = 1.0
    share = np.where(target, p_target / target.sum(), (1 - p_target) / (~target).sum())
    # scikit-learn minimises C · (weighted sum of losses) + |weights|²/2. Its intercept includes logit(p_target).
    model = LogisticRegression(C=1 / ridge, solver="newton-cholesky", tol=1e-8, max_iter=200)
    model.fit((inputs - mean) / deviation, target, sample_weight=share)
    weights = model.coef_[0] / deviation
    return weights, float(model.intercept_[0] - weights @ mean - logit(p_target))


def read_inputs(scores: list[Path], quality: list[Path], enrol: list[str], test: list[str], trials: Path) -> Array:
    """The inputs of the regression for every trial.

    Args:
        scores: score files.
        quality: tables of `utterance value` lines with values above 0 (utt2dur), or an embedding .scp, for the norms.
        enrol, test: the trials' ids.
        trials: the file that the trials are from, for messages.

    Returns:
        (T, K) with K = number of score files + 2 · number of quality measures. A quality measure gives the logarithms
        of the smaller and the larger value of both sides, because both sides of a trial can be exchanged.

    Raises:
        RecipeError: a score is missing or not finite, an utterance has no value, or a value is not a number above 0.
    """
    columns = [read_scores(path, enrol, test, trials) for path in scores]
    for path, column in zip(scores, columns):
        if not np.isfinite(column).all():
            line = int(np.argmin(np.isfinite(column)))
            raise RecipeError(f"{path}: the score of {enrol[line]} {test[line]} is {column[line]}: score it again")
    for path in quality:
        values = read_quality(path)
        for line, utt in ((line, utt) for line, pair in enumerate(zip(enrol, test), 1) for utt in pair):
            if utt not in values:
                raise RecipeError(f"{trials}:{line}: no value for '{utt}' in {path}: add a line")
        sides = [np.log([values[utt] for utt in names]) for names in (enrol, test)]
        columns += [np.minimum(*sides), np.maximum(*sides)]
    return np.stack(columns, axis=1)


def read_quality(path: Path) -> dict[str, float]:
    """Utterances and their values, from a table or (the norms) from an embedding .scp."""
    if path.suffix == ".scp":
        ids, matrix = read_embeddings(path)
        return dict(zip(ids, np.maximum(np.linalg.norm(matrix, axis=1), 1e-12).tolist()))
    values = {}
    for number, (utt, text) in enumerate(read_table(path).items(), 1):
        try:
            values[utt] = float(text)
        except ValueError:
            values[utt] = np.nan
        if not 0 < values[utt] < np.inf:
            raise RecipeError(f"{path}:{number}: expected '{utt} VALUE', a number above 0, found '{text}'")
    return values


def save(path: Path, model: Calibration) -> None:
    """Write a calibration as JSON."""
    write_text(path, json.dumps(asdict(model), indent=1) + "\n")


def load(path: Path) -> Calibration:
    """Read what save wrote.

    Raises:
        RecipeError: the file is missing or damaged.
    """
    try:
        model = Calibration(**json.loads(Path(path).read_text(encoding="utf-8")))
        if len(model.weights) != len(model.scores) + 2 * len(model.quality):
            raise ValueError(f"{len(model.weights)} weights for {model.scores} and {model.quality}")
        return model
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such calibration: run steps/train_calibration.py first") from None
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path}: not a calibration of this recipe: {error}") from error
