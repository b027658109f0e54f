"""Adaptation of PLDA by its command: a domain that is moved and wider than the one PLDA was trained on."""

import json

import numpy as np
import pytest

from dlglc.data.arks import read_embeddings, write_embeddings
from dlglc.scoring.plda import adapt_plda, load_plda

pytestmark = pytest.mark.slow

SPEAKERS = np.repeat(np.arange(60), 5)
IDS = [f"s{s:02d}-u{i % 5}" for i, s in enumerate(SPEAKERS)]


@pytest.fixture(scope="module")
def world(tmp_path_factory, script):
    """A PLDA of the old domain, unlabelled embeddings of the new one, trials of its other speakers."""
    top = tmp_path_factory.mktemp("world")
    rng = np.random.default_rng(0)
    noise = np.linspace(0.2, 1.6, 10)[::-1]

    def draw(spread):
        return rng.normal(size=(60, 10))[SPEAKERS] + spread * rng.normal(size=(300, 10))

    write_embeddings(top / "old", IDS, draw(0.6))
    write_embeddings(top / "new", IDS, draw(noise) + 4)
    write_embeddings(top / "eval", IDS, draw(noise) + 4)
    write_embeddings(top / "narrow", IDS, draw(1.0)[:, :4])
    (top / "utt2cluster").write_text("".join(f"{u} {s}\n" for u, s in zip(IDS, SPEAKERS)))
    pairs = rng.permutation([(a, b) for a in range(300) for b in range(a) if a // 5 == b // 5 or rng.random() < 0.1])
    lines = [f"{IDS[a]} {IDS[b]} {'target' if a // 5 == b // 5 else 'nontarget'}\n" for a, b in pairs]
    (top / "trials").write_text("".join(lines))
    script("steps/train_plda.py", top / "old/embedding.scp", top / "utt2cluster", top / "plda.npz")
    return top


def test_adaptation_helps_in_the_new_domain(world, script, tmp_path):
    done = script("steps/adapt_plda.py", world / "plda.npz", world / "new/embedding.scp", tmp_path / "adapted.npz")
    assert "300 embeddings" in done.stdout
    eer = {}
    for name, model in (("before", world / "plda.npz"), ("after", tmp_path / "adapted.npz")):
        options = ["--backend", "plda", "--plda", model]
        script("steps/score_trials.py", *options, world / "trials", world / "eval/embedding.scp", tmp_path / name)
        eer[name] = json.loads(script("steps/compute_metrics.py", tmp_path / name, world / "trials").stdout)["eer"]
    assert eer["after"] < eer["before"] - 3


def test_scales_come_from_the_configuration(world, script, tmp_path):
    options = ["--set", "adapt_within=0.1", "adapt_between=0.6", "adapt_mean=0"]
    script("steps/adapt_plda.py", world / "plda.npz", world / "new/embedding.scp", tmp_path / "a.npz", *options)
    _, x = read_embeddings(world / "new/embedding.scp")
    expected = adapt_plda(load_plda(world / "plda.npz"), x, 0.1, 0.6, 0.0)
    np.testing.assert_allclose(load_plda(tmp_path / "a.npz").psi, expected.psi)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["plda.npz", "narrow/embedding.scp"], ["4 dimensions", "trained on 10"]),
        (["gone.npz", "new/embedding.scp"], ["gone.npz", "steps/train_plda.py"]),
        (["plda.npz", "new/embedding.scp", "--set", "adapt_within=0.9"], ["adapt_within", "0.9", "at most 1"]),
    ],
)
def test_mistakes_are_named(world, script, tmp_path, options, words):
    paths = [world / o for o in options[:2]]
    done = script("steps/adapt_plda.py", *paths, tmp_path / "out.npz", *options[2:], check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "out.npz").exists()
