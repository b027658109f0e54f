"""Logistic calibration and fusion against a plain minimiser of the objective, and on scores of known ratios."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logit

from dlglc.data.arks import write_embeddings
from dlglc.errors import RecipeError
from dlglc.extras.calibration import Calibration, fit, load, read_inputs, save
from dlglc.scoring.metrics import roc, summary


def ratios(seed, count, strength=2.0, p_target=0.5):
    """True log-likelihood ratios: N(±d/2, d) with d = 2 · strength."""
    rng = np.random.default_rng(seed)
    target = rng.random(count) < p_target
    return rng.normal(np.where(target, strength, -strength), np.sqrt(2 * strength)), target


@pytest.mark.parametrize("p_target", [0.01, 0.3])
@pytest.mark.parametrize("inputs_count", [1, 3])
def test_against_a_plain_minimiser(p_target, inputs_count):
    rng = np.random.default_rng(inputs_count)
    target = rng.random(500) < 0.2
    inputs = rng.normal(size=(500, inputs_count)) * [3, 0.1, 20][:inputs_count] + target[:, None] + 5
    scale, ridge = inputs.std(0), 1e-2

    def objective(parameters):
        o = inputs @ parameters[:-1] + parameters[-1] + logit(p_target)
        loss = p_target * np.logaddexp(0, -o[target]).mean() + (1 - p_target) * np.logaddexp(0, o[~target]).mean()
        return loss + 0.5 * ridge * np.sum((parameters[:-1] * scale) ** 2)

    weights, offset = fit(inputs, target, p_target, ridge)
    options = {"maxiter": 20000, "maxfev": 20000, "xatol": 1e-9, "fatol": 1e-13, "adaptive": True}
    best = minimize(objective, np.zeros(inputs_count + 1), method="Nelder-Mead", options=options)
    found = np.append(weights, offset)
    assert objective(found) <= best.fun + 1e-9
    steps = 1e-5 * np.eye(inputs_count + 1)
    gradient = [(objective(found + step) - objective(found - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


@pytest.mark.parametrize("p_target", [0.05, 0.5])
def test_an_affine_change_is_undone(p_target):
    llr, target = ratios(0, 200_000)
    weights, offset = fit((3 * llr - 7)[:, None], target, p_target, 1e-6)
    assert weights[0] == pytest.approx(1 / 3, rel=0.03)
    assert offset == pytest.approx(7 / 3, abs=0.05)


def test_fusion_of_independent_systems_adds_their_ratios():
    a, target = ratios(0, 200_000)
    rng = np.random.default_rng(1)
    b = rng.normal(np.where(target, 1.0, -1.0), np.sqrt(2.0))
    weights, offset = fit(np.stack([a, 5 * b], axis=1), target, 0.5, 1e-6)
    np.testing.assert_allclose(weights, [1, 0.2], rtol=0.04)
    fused = summary(roc(a * weights[0] + 5 * b * weights[1] + offset, target), llr=True)
    assert fused["eer"] < summary(roc(a, target))["eer"] - 2
    assert fused["cllr"] == pytest.approx(fused["mincllr"], abs=0.003)


@pytest.mark.parametrize("inputs", [np.repeat([[1.0], [0.0]], 5, axis=0), np.ones((10, 1)), np.zeros((10, 2))])
def test_separated_and_constant_inputs_stay_finite(inputs):
    target = np.repeat([True, False], 5)
    weights, offset = fit(inputs, target, 0.05, 1e-6)
    assert np.isfinite([*weights, offset]).all()
    if inputs[0, 0] == inputs[-1, 0]:  # nothing is told: ratio 1
        assert inputs[0] @ weights + offset == pytest.approx(0, abs=1e-6)


def test_one_class_is_named():
    with pytest.raises(RecipeError, match="without a single nontarget"):
        fit(np.ones((3, 1)), np.ones(3, bool), 0.5, 1e-6)


def test_inputs_with_quality_measures(tmp_path):
    (tmp_path / "scores").write_text("a b 0.5\nb c -1\n")
    (tmp_path / "utt2dur").write_text("a 2.0\nb 8.0\nc 4.0\n")
    write_embeddings(tmp_path, ["a", "b", "c"], np.array([[3.0, 4.0], [0.0, 1.0], [2.0, 0.0]]))
    found = read_inputs(
        [tmp_path / "scores"],
        [tmp_path / "utt2dur", tmp_path / "embedding.scp"],
        ["a", "b"],
        ["b", "c"],
        tmp_path / "t",
    )
    np.testing.assert_allclose(
        found, [[0.5, np.log(2), np.log(8), 0, np.log(5)], [-1, np.log(4), np.log(8), 0, np.log(2)]], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("scores", "table", "message"),
    [
        ("a b 0.5\n", "a 1\nb zero\n", "q:2: expected 'b VALUE'"),
        ("a b 0.5\n", "a 1\nb 0\n", "q:2: expected 'b VALUE'"),
        ("a b 0.5\n", "a 1\nc 2\n", "t:1: no value for 'b' in .*q: "),
        ("a b nan\n", "a 1\nb 2\n", "the score of a b is nan"),
        ("a c 1\n", "a 1\nb 2\n", "no score for a b"),
    ],
)
def test_mistakes_are_named(tmp_path, scores, table, message):
    (tmp_path / "scores").write_text(scores)
    (tmp_path / "q").write_text(table)
    with pytest.raises(RecipeError, match=message):
        read_inputs([tmp_path / "scores"], [tmp_path / "q"], ["a"], ["b"], tmp_path / "t")


def test_files(tmp_path):
    model = Calibration(0.05, ["cosine", "plda"], ["utt2dur"], [1.5, 2.0, 0.1, -0.2], -3.25)
    save(tmp_path / "c.json", model)
    assert load(tmp_path / "c.json") == model
    for text in (
        '{"p_target": 0.5}',
        "[]",
        "not JSON",
        '{"p_target":1,"scores":["a"],"quality":[],"weights":[],"offset":0}',
    ):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(RecipeError, match="bad: not a calibration"):
            load(tmp_path / "bad")
    with pytest.raises(RecipeError, match=r"train_calibration\.py first"):
        load(tmp_path / "gone")
