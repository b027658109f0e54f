"""A bundle from the outputs of an experiment."""

import json
import shutil

import numpy as np
import pytest

import dlglc
from dlglc.bundles.container import ARRAYS, read_bundle, unpack_arrays
from dlglc.bundles.making import (
    FEWEST_DIMENSIONS,
    backend_arrays,
    is_published,
    make_bundle,
    read_training,
)
from dlglc.data.arks import read_embeddings
from dlglc.data.tables import read_trials
from dlglc.errors import RecipeError
from dlglc.scoring.metrics import roc, summary
from dlglc.scoring.plda import save_plda, train_plda
from support.bundles import request, settings


def test_arrays_are_those_of_the_training_set(bundles):
    arrays = unpack_arrays(read_bundle(bundles.unlabelled).parts[ARRAYS])
    matrix = read_embeddings(bundles.system / "train/embedding.scp")[1]
    np.testing.assert_allclose(arrays["mean"], matrix.mean(0), rtol=1e-5)
    means = matrix.reshape(14, 2, -1).mean(1)[sorted(range(14), key=str)]  # names of clusters are sorted as texts
    np.testing.assert_allclose(arrays["cohort"], means, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_results_on_the_card_are_those_of_the_model(bundles):
    model = dlglc.load(bundles.labelled)
    ids, matrix = read_embeddings(bundles.system / "eval/embedding.scp")
    row = {utt: i for i, utt in enumerate(ids)}
    enrol, test, target = read_trials(bundles.data / "eval/trials")
    scores = [model.score(matrix[row[a]], matrix[row[b]]) for a, b in zip(enrol, test)]
    rates = summary(roc(np.array(scores), np.array(target)))
    assert model.card["results"]["eer"] == pytest.approx(rates["eer"], abs=1e-3)
    threshold = model.decision.threshold(0.1)
    accepted = np.mean(np.array(scores)[~np.array(target)] >= threshold)
    assert accepted == pytest.approx(0.1, abs=0.01)


def test_the_back_end_is_chosen_by_a_rule(bundles, tmp_path):
    system = tmp_path / "system"
    shutil.copytree(bundles.system, system)
    training = read_training(system)
    assert backend_arrays(request(bundles, system=system), settings(), training)[1]["backend"] == "asnorm"
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(FEWEST_DIMENSIONS + 1), 4)
    for dimensions, expected in ((FEWEST_DIMENSIONS, "plda"), (FEWEST_DIMENSIONS - 1, "asnorm")):
        save_plda(system / "plda.npz", train_plda(rng.standard_normal((len(labels), 24)), labels, dimensions, 2, 1)[0])
        made = backend_arrays(request(bundles, system=system), settings(), training)
        assert made[1]["backend"] == expected
    assert backend_arrays(request(bundles, system=system, backend="plda"), settings(), training)[1]["backend"] == "plda"


def test_a_finished_bundle_is_kept_until_an_input_changes(bundles, tmp_path):
    path = tmp_path / "a.dlglc"
    make_bundle(request(bundles), settings(), path)
    first = path.stat().st_mtime_ns
    make_bundle(request(bundles), settings(), path)
    assert path.stat().st_mtime_ns == first
    content = path.read_bytes()
    path.unlink()
    make_bundle(request(bundles), settings(), path)
    assert path.read_bytes() == content
    path.write_bytes(content[:1000] + bytes(1000) + content[2000:])
    make_bundle(request(bundles), settings(), path)
    assert path.read_bytes() == content
    make_bundle(request(bundles, notes=["Another."]), settings(), path)
    assert path.stat().st_mtime_ns != first


def test_what_is_missing_is_named(bundles, tmp_path):
    with pytest.raises(RecipeError, match=r"model\.pt: no such"):
        make_bundle(request(bundles, system=tmp_path), settings(), tmp_path / "a.dlglc")
    with pytest.raises(RecipeError, match="no such PLDA model"):
        make_bundle(request(bundles, backend="plda"), settings(), tmp_path / "a.dlglc")
    assert list(tmp_path.glob("a.dlglc*")) == []


def test_a_published_encoder_behind_a_system_is_found(tmp_path, monkeypatch):
    """As run.sh leaves it: records name models from the root of the recipe, or the experiment was moved since."""
    monkeypatch.chdir(tmp_path)
    systems = {"dino": [], "round1": ["dino"], "round2": ["round1"]}
    systems |= {"start": None, "adapted1": ["start"], "adapted2": ["adapted1"]}
    for name, before in systems.items():
        folder = tmp_path / "exp/a" / name
        folder.mkdir(parents=True)
        (folder / "model.pt").touch()
        if before is not None:
            inputs = {f"exp/a/{one}/model.pt": "0" for one in before} | {"data/a/train/wav.scp": "1"}
            (folder / "stamp.json").write_text(json.dumps({"settings": {}, "inputs": inputs}))
    for exp in ("exp/a", "exp/b"):
        found = {name: is_published(tmp_path / exp / name) for name in systems}
        assert [name for name, yes in found.items() if yes] == ["start", "adapted1", "adapted2"]
        if exp == "exp/a":
            shutil.move("exp/a", "exp/b")
