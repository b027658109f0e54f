"""Enrolment models, cohorts and normalisations of the scoring command, each against the trial written out."""

import numpy as np
import pytest

from dlglc.data.arks import write_embeddings
from dlglc.scoring.plda import load_plda

RNG = np.random.default_rng(0)
SPEAKERS = np.repeat(np.arange(12), 6)
IDS = [f"s{s:02d}-u{i % 6}" for i, s in enumerate(SPEAKERS)]
X = (RNG.normal(size=(12, 8))[SPEAKERS] + 0.6 * RNG.normal(size=(72, 8)) + 2).astype("f4")
MEAN = X.mean(0, dtype="f4")


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def rows_of(*names):
    return [IDS.index(name) for name in names]


@pytest.fixture(scope="module")
def world(tmp_path_factory, script):
    """Embeddings, clusters (= speakers), a PLDA model, models of 1 to 3 utterances, trials of utterances and models."""
    top = tmp_path_factory.mktemp("world")
    write_embeddings(top, IDS, X)
    write_embeddings(top / "narrow", IDS, X[:, :5])
    (top / "utt2cluster").write_text("".join(f"{u} {s}\n" for u, s in zip(IDS, SPEAKERS)))
    (top / "spk2utt").write_text("m0 s00-u0\nm1 s01-u0 s01-u1\nm2 s02-u0 s02-u1 s02-u2\n")
    (top / "bad2utt").write_text("m0 s00-u0\nm1 s01-u0 nobody\nm2 s02-u0\n")
    (top / "trials").write_text("".join(f"{IDS[i]} {IDS[(7 * i) % 72]} nontarget\n" for i in range(1, 72)))
    (top / "model_trials").write_text("".join(f"m{i % 3} {IDS[i]} nontarget\n" for i in range(20, 72)))
    done = script("steps/train_plda.py", top / "embedding.scp", top / "utt2cluster", top / "plda.npz")
    assert "LDA to 8 dimensions, not 150" in done.stdout
    assert "12 of 12 clusters have 4 or more utterances" in done.stdout
    return top


@pytest.fixture(scope="module")
def score(world, script, tmp_path_factory):
    """score("trials", options…) → the scores that the command writes."""

    def run(trials, *options):
        out = tmp_path_factory.mktemp("scores") / "scores"
        script("steps/score_trials.py", world / trials, world / "embedding.scp", out, *options)
        return np.array([float(line.split()[2]) for line in out.read_text().splitlines()])

    return run


def s_norm(raw, enrol_scores, test_scores, top):
    """AS-norm of one trial from both sides' cohort scores."""
    e, t = (np.sort(s)[-top:] for s in (enrol_scores, test_scores))
    return 0.5 * ((raw - e.mean()) / e.std() + (raw - t.mean()) / t.std())


@pytest.mark.parametrize("top", [10, 0])
def test_cohort_of_cluster_means(world, score, top):
    scp = world / "embedding.scp"
    options = ["--mean-from", scp, "--cohort", scp, "--cohort-clusters", world / "utt2cluster", "--top-n", top]
    options += ["--set", "cohort=clusters"]
    found = score("trials", *options)
    x = unit(X - MEAN)
    cohort = unit(np.stack([x[members].mean(0) for members in np.arange(72).reshape(12, 6)]))
    for i in range(1, 72, 5):
        e, t = x[i], x[(7 * i) % 72]
        assert found[i - 1] == pytest.approx(s_norm(e @ t, cohort @ e, cohort @ t, top or 12), abs=1e-4)


def test_whitened_cosine(world, score):
    found = score("trials", "--mean-from", world / "embedding.scp", "--set", "whiten=0.5")
    inverse = np.linalg.inv(np.cov((X - MEAN).T))
    for i in range(1, 72, 5):
        e, t = X[i] - MEAN, X[(7 * i) % 72] - MEAN
        assert found[i - 1] == pytest.approx(e @ inverse @ t / np.sqrt((e @ inverse @ e) * (t @ inverse @ t)), abs=1e-4)


def test_models_of_several_utterances(world, score):
    found = score("model_trials", "--mean-from", world / "embedding.scp", "--enrol-utts", world / "spk2utt")
    x = unit(X - MEAN)
    model = unit(x[rows_of("s02-u0", "s02-u1", "s02-u2")].mean(0))
    assert found[0] == pytest.approx(model @ x[20], abs=1e-5)


def test_enrolment_from_another_scp(world, score, tmp_path):
    write_embeddings(tmp_path, ["m0", "m1", "m2"], X[:3])
    found = score("model_trials", "--enrol", tmp_path / "embedding.scp")
    assert found[0] == pytest.approx(unit(X[2]) @ unit(X[20]), abs=1e-5)


@pytest.mark.parametrize("way", ["exact", "average"])
def test_plda_of_models_and_its_normalisation(world, score, way):
    scp = world / "embedding.scp"
    options = ["--backend", "plda", "--plda", world / "plda.npz", "--enrol-utts", world / "spk2utt"]
    options += ["--set", f"plda_enrolment={way}"]
    plda = load_plda(world / "plda.npz")
    u, a = plda.transform(X), plda.psi
    enrol = u[rows_of("s02-u0", "s02-u1", "s02-u2")]
    n = 3 if way == "exact" else 1

    def ratio(mean, n, test):
        v = a / (1 + n * a)
        m = n * v * mean
        log_density = [-0.5 * np.log(s) - 0.5 * d**2 / s for d, s in ((test - m, 1 + v), (test, 1 + a))]
        return float(np.sum(log_density[0] - log_density[1]))

    raw = score("model_trials", *options)
    expected = ratio(enrol.mean(0), n, u[20])
    assert raw[0] == pytest.approx(expected, abs=1e-3)
    normed = score("model_trials", *options, "--cohort", scp, "--top-n", 20)
    enrol_scores = np.array([ratio(enrol.mean(0), n, c) for c in u])
    test_scores = np.array([ratio(u[20], 1, c) for c in u])
    assert normed[0] == pytest.approx(s_norm(expected, enrol_scores, test_scores, 20), abs=1e-3)


def test_a_cohort_smaller_than_top_n_is_taken_whole(world, script, tmp_path):
    scp = world / "embedding.scp"
    done = script("steps/score_trials.py", "--cohort", scp, "--top-n", 500, world / "trials", scp, tmp_path / "s")
    assert "top_n is 500, the cohort has only 72 members" in done.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--enrol-utts", "bad2utt"], ["bad2utt:2", "'nobody'"]),
        (["--enrol-utts", "spk2utt"], ["trials:1", "'s00-u1'"]),  # utterances where models were announced
        (["--mean-from", "narrow/embedding.scp"], ["narrow/embedding.scp", "5 dimensions", "have 8"]),
        (["--cohort", "narrow/embedding.scp"], ["narrow/embedding.scp", "one model"]),
        (["--cohort", "embedding.scp", "--set", "cohort=clusters"], ["needs --cohort-clusters"]),
        (["--set", "cohort=speakers"], ["'speakers'", "utterances or clusters"]),
        (
            ["--cohort", "embedding.scp", "--cohort-clusters", "spk2utt", "--set", "cohort=clusters"],
            ["spk2utt:1", "'m0'"],
        ),
        (["--backend", "plda", "--plda", "utt2cluster"], ["utt2cluster", "not a PLDA model"]),
        (["--backend", "plda", "--plda", "gone.npz"], ["gone.npz", "steps/train_plda.py"]),
        (["--top-n", -3], ["top_n: must be", "not -3"]),
        (["--set", "whiten=0.5"], ["whiten needs --mean-from"]),
        (["--set", "plda_enrolment=both"], ["'both'", "exact or average"]),
    ],
)
def test_mistakes_are_named(world, script, tmp_path, options, words):
    paths = {"narrow/embedding.scp", "embedding.scp", "utt2cluster", "spk2utt", "bad2utt", "gone.npz"}
    options = [world / o if o in paths else o for o in options]
    trials = "model_trials" if world / "bad2utt" in options else "trials"
    out = tmp_path / "out"
    done = script("steps/score_trials.py", world / trials, world / "embedding.scp", out, *options, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not out.exists()
