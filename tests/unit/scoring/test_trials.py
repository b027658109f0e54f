"""Trial lists scored from embeddings: both sides, models, cohorts, and files that do not fit together."""

import numpy as np
import pytest

from dlglc.data.arks import write_embeddings
from dlglc.errors import RecipeError
from dlglc.scoring.plda import save_plda, train_plda
from dlglc.scoring.trials import ScoringFiles, model_utterances, open_backend, open_cohort, score_trials
from dlglc.settings import load_settings
from dlglc.settings.schema import BackendSettings

SPEAKERS = np.repeat(np.arange(8), 5)
IDS = [f"s{s}-u{i % 5}" for i, s in enumerate(SPEAKERS)]
RNG = np.random.default_rng(0)
X = (RNG.normal(size=(8, 6))[SPEAKERS] + 0.5 * RNG.normal(size=(40, 6)) + 2).astype("f4")


def settings(*words):
    return load_settings(BackendSettings, None, list(words))


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Embeddings, trials, models of one and two utterances, clusters, a PLDA model."""
    top = tmp_path_factory.mktemp("world")
    write_embeddings(top, IDS, X)
    write_embeddings(top / "narrow", IDS, X[:, :4])
    (top / "trials").write_text("".join(f"{IDS[i]} {IDS[(7 * i) % 40]} nontarget\n" for i in range(1, 40)))
    (top / "model_trials").write_text("".join(f"m{i % 2} {IDS[i]} nontarget\n" for i in range(20, 40)))
    (top / "models").write_text("m0 s0-u0\nm1 s1-u0 s1-u1\n")
    (top / "utt2cluster").write_text("".join(f"{utt} {s}\n" for utt, s in zip(IDS, SPEAKERS)))
    save_plda(top / "plda.npz", train_plda(X, SPEAKERS, 6, 2, 5)[0])
    return top


@pytest.fixture
def score(world, tmp_path):
    """score(trials, options…) → the scores that are written."""

    def run(trials, *words, **files):
        out = tmp_path / "scores"
        given = ScoringFiles(world / trials, world / "embedding.scp", **files)
        score_trials(given, settings(*words), out)
        lines = [line.split() for line in out.read_text().splitlines()]
        expected = [line.split()[:2] for line in (world / trials).read_text().splitlines()]
        assert [line[:2] for line in lines] == expected
        return np.array([float(line[2]) for line in lines])

    return run


def test_cosine_of_both_sides(world, score):
    plain = score("trials")
    moved = score("trials", mean_from=world / "embedding.scp")
    for x, found in ((unit(X), plain), (unit(X - X.mean(0)), moved)):
        np.testing.assert_allclose(found, [x[i] @ x[(7 * i) % 40] for i in range(1, 40)], atol=1e-5)


def test_models_are_the_mean_directions_of_their_utterances(world, score):
    found = score("model_trials", enrol_utts=world / "models")
    x = unit(X)
    models = [x[0], unit(x[5] + x[6])]
    np.testing.assert_allclose(found, [models[i % 2] @ x[i] for i in range(20, 40)], atol=1e-5)


def test_enrolment_from_another_file(world, score, tmp_path):
    scp = write_embeddings(tmp_path, ["m0", "m1"], X[:2] + 1)
    found = score("model_trials", enrol=scp)
    np.testing.assert_allclose(found, [unit(X[i % 2] + 1) @ unit(X[i]) for i in range(20, 40)], atol=1e-5)


@pytest.mark.parametrize("way", ["exact", "average"])
def test_plda_counts_the_utterances_of_a_model_if_told_to(world, score, way):
    found = score("model_trials", f"plda_enrolment={way}", plda=world / "plda.npz", enrol_utts=world / "models")
    other = score("model_trials", plda=world / "plda.npz", enrol_utts=world / "models")
    same = np.isclose(found, other, atol=1e-5)
    assert same[0::2].all()  # models of one utterance are the same either way
    assert same[1::2].all() == (way == "exact")  # exact is the default


@pytest.mark.parametrize("cohort", ["utterances", "clusters"])
def test_normalisation_by_both_sides_closest_members(world, score, cohort):
    files = {"cohort": world / "embedding.scp", "cohort_clusters": world / "utt2cluster"}
    found = score("trials", f"cohort={cohort}", "top_n=6", **files)
    x = unit(X)
    members = x if cohort == "utterances" else unit(np.stack([x[s == SPEAKERS].mean(0) for s in range(8)]))
    for i in range(1, 40, 6):
        a, b = x[i], x[(7 * i) % 40]
        e, t = (np.sort(members @ side)[-6:] for side in (a, b))
        expected = 0.5 * ((a @ b - e.mean()) / e.std() + (a @ b - t.mean()) / t.std())
        assert found[i - 1] == pytest.approx(expected, abs=1e-3)


def test_a_cohort_smaller_than_top_n_is_taken_whole(world, caplog):
    files = ScoringFiles(world / "trials", world / "embedding.scp")
    backend = open_backend(files, settings(), 6)
    with caplog.at_level("INFO"):
        cohort, top = open_cohort(world / "embedding.scp", None, settings("top_n=41"), backend, 6)
    assert (len(cohort), top) == (40, 0)
    assert "top_n is 41, the cohort has only 40 members" in caplog.text
    assert open_cohort(world / "embedding.scp", None, settings("top_n=40"), backend, 6)[1] == 40


@pytest.mark.parametrize(
    ("words", "files", "message"),
    [
        (["whiten=0.5"], {}, "whiten needs --mean-from"),
        (["cohort=clusters"], {"cohort": "embedding.scp"}, "needs --cohort-clusters"),
        ([], {"mean_from": "narrow/embedding.scp"}, r"narrow/embedding\.scp.*4"),
        ([], {"cohort": "narrow/embedding.scp"}, r"narrow/embedding\.scp.*4"),
        ([], {"enrol_utts": "models"}, r"trials:1: .*'s0-u1'"),
        ([], {"plda": "trials"}, "not a PLDA model"),
        ([], {"plda": "gone.npz"}, r"gone\.npz"),
    ],
)
def test_files_that_do_not_fit_are_named(world, tmp_path, words, files, message):
    given = {key: world / name for key, name in files.items()}
    with pytest.raises(RecipeError, match=message):
        score_trials(
            ScoringFiles(world / "trials", world / "embedding.scp", **given), settings(*words), tmp_path / "scores"
        )
    assert not (tmp_path / "scores").exists()


def test_utterances_of_models_are_looked_up(tmp_path):
    rows, numbers = model_utterances({"m0": "b", "m1": "c a"}, tmp_path / "models", ["a", "b", "c"], tmp_path / "scp")
    assert (rows.tolist(), numbers.tolist()) == ([1, 2, 0], [0, 1, 1])
    with pytest.raises(RecipeError, match=r"models:2: no embedding for 'x' in .*scp"):
        model_utterances({"m0": "a", "m1": "a x"}, tmp_path / "models", ["a"], tmp_path / "scp")
