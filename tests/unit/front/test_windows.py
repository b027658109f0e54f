"""Windows of a recording, and their voices."""

import itertools

import numpy as np
import pytest

import dlglc
from dlglc.bundles.scorer import Scorer
from dlglc.front.windows import cut_windows, embed_windows, group_windows, merge_small


@pytest.fixture(scope="module")
def model(bundles):
    return dlglc.load(bundles.labelled)


def test_windows_cover_the_speech():
    assert cut_windows([(0, 8000), (16000, 16000 + 5 * 16000)], 16000) == [
        (0, 8000),
        *((16000 + 16000 * k, 48000 + 16000 * k) for k in range(4)),
    ]
    for seconds in np.linspace(0.3, 9, 30):
        end = int(16000 * seconds)
        windows = cut_windows([(0, end)], 16000)
        assert (windows[0][0], windows[-1][1]) == (0, end)
        assert all(b[0] <= a[1] for a, b in itertools.pairwise(windows))


def test_windows_of_equal_length_are_computed_together(model, bundles):
    samples = np.random.default_rng(0).normal(0, 0.1, 80000).astype("f4")
    windows = [(0, 32000), (100, 20000), (16000, 48000), (40000, 72000)]
    found = embed_windows(model.engine, samples, windows)
    for row, (start, end) in enumerate(windows):
        np.testing.assert_allclose(found[row], model.embed(samples[start:end]), atol=1e-3 * np.abs(found).max())


def test_small_groups_go_to_the_nearest():
    scores = np.zeros((7, 7))
    scores[6, 3:6] = 1
    assert merge_small(np.array([0, 0, 0, 1, 1, 1, 2]), scores).tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert merge_small(np.array([0, 1]), np.zeros((2, 2))).tolist() == [0, 1]


def test_windows_of_two_voices():
    rng = np.random.default_rng(0)
    voices = rng.standard_normal((2, 16))
    labels = np.repeat([0, 1, 0], [5, 4, 6])
    embeddings = (voices[labels] + 0.2 * rng.standard_normal((15, 16))).astype("f4")
    embeddings[7] = rng.standard_normal(16)  # a cough
    scorer = Scorer("cosine", {"mean": np.zeros(16, "f4"), "cohort": embeddings[:2]}, 0, True)
    found = group_windows(scorer, embeddings, 0.5)
    assert set(found.tolist()) == {0, 1}
    others = np.arange(15) != 7
    assert (found[others] == labels[others]).all() or (found[others] != labels[others]).all()
    assert len(set(group_windows(scorer, embeddings, 0.5, 3).tolist())) == 3
