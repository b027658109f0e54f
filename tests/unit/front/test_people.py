"""Enrolled people: added, removed, kept in a file, searched."""

import numpy as np
import pytest

from dlglc.bundles.decision import make_decision
from dlglc.bundles.scorer import Scorer, cohort_of
from dlglc.errors import RecipeError
from dlglc.front.people import People, threshold_of_search
from dlglc.scoring.plda import train_plda


@pytest.fixture(scope="module")
def scorers():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 6)
    x = (3 * rng.standard_normal((40, 8))[labels] + rng.standard_normal((240, 8))).astype("f4")
    plda = train_plda(x, labels, 6, 2, 5)[0]
    arrays = {"mean": x.mean(0), "cohort": cohort_of(x, labels, 30)}
    arrays |= {f"plda_{name}": array for name, array in vars(plda).items()}
    kinds = [("plda", True), ("plda", False), ("cosine", True), ("asnorm", True)]
    return {kind: Scorer(kind[0], arrays, 5, kind[1]) for kind in kinds}, x, labels


def test_adding_twice_is_adding_once(scorers, tmp_path):
    found, x, labels = scorers
    vectors = found["cosine", True].represent(x[:60])
    names = [f"p{label:02d}" for label in labels[:60]]
    once = People.none("b", 8).added(names, vectors)
    twice = People.none("b", 8).added(names[30:], vectors[30:]).added(names[:30], vectors[:30])
    assert once.names.tolist() == twice.names.tolist() == sorted(set(names))
    np.testing.assert_allclose(once.sums, twice.sums, atol=1e-5)
    assert once.counts.tolist() == twice.counts.tolist() == [6] * 10
    once.write(tmp_path / "a.npz")
    read = People.read(tmp_path / "a.npz", "b")
    np.testing.assert_array_equal(read.sums, once.sums)
    left = read.without(["p03", "p00"])
    assert left.names.tolist() == sorted(set(names) - {"p03", "p00"})
    np.testing.assert_array_equal(left.sums[0], once.sums[1])
    with pytest.raises(RecipeError, match="p00, x: not enrolled"):
        left.without(["x", "p01", "p00"])
    with pytest.raises(RecipeError, match="enrolled with bundle b, not c"):
        People.read(tmp_path / "a.npz", "c")


def test_files_that_are_none(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"x")
    for name, message in (("a", "damaged"), ("b", "no such file")):
        with pytest.raises(RecipeError, match=message):
            People.read(tmp_path / f"{name}.npz", "b")


@pytest.mark.parametrize("kind", [("plda", True), ("plda", False), ("cosine", True), ("asnorm", True)])
def test_a_search_finds_the_highest_scores(scorers, kind):
    found, x, labels = scorers
    scorer = found[kind]
    vectors = scorer.represent(x)
    enrolled = np.arange(240) % 6 < 4
    people = People.none("b", vectors.shape[1]).added(
        [f"p{label:02d}" for label in labels[enrolled]], vectors[enrolled]
    )
    test = vectors[~enrolled]
    expected = scorer.scores(scorer.enrol(vectors[enrolled], labels[enrolled]), test).T
    rows, scores = people.search(scorer, test, 3)
    np.testing.assert_allclose(scores, -np.sort(-expected, axis=1)[:, :3], rtol=1e-3, atol=1e-3)
    assert np.mean(rows[:, 0] == labels[~enrolled]) > 0.9
    assert people.search(scorer, test[:1], 99)[0].shape == (1, 40)


def test_the_threshold_grows_with_the_number_of_people():
    decision = make_decision("cohort", np.arange(100_000.0))
    assert threshold_of_search(decision, 0.1, 1)[0] == pytest.approx(90_000, rel=0.01)
    assert threshold_of_search(decision, 0.1, 100)[0] == pytest.approx(99_900, rel=1e-4)
    assert threshold_of_search(decision, 0.1, 100)[1] is False
    assert threshold_of_search(decision, 0.1, 10_000) == (decision.threshold(1e-4), True)
