"""Groups by voice: their number, doubtful members, folders of one voice, measured from their own mean."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from dlglc.bundles.scorer import Scorer
from dlglc.errors import RecipeError
from dlglc.front import grouping
from dlglc.front.grouping import cut_tree, group_voices, margins, pair_scores


def voices(seed, count, each, offset=0.0, spread=0.25):
    """(N, 24) embeddings of some voices, and their numbers."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(count), each)
    x = rng.standard_normal((count, 24))[labels] + spread * rng.standard_normal((count * each, 24)) + offset
    return x.astype("f4"), labels


@pytest.fixture(scope="module")
def scorer():
    return Scorer("cosine", {"mean": np.zeros(24, "f4"), "cohort": voices(9, 5, 1)[0]}, 0, True)


def same_groups(a, b):
    return len(set(zip(a.tolist(), b.tolist()))) == len(set(a.tolist())) == len(set(b.tolist()))


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_the_number_of_voices_is_found(scorer, count):
    x, labels = voices(count, count, 6)
    shuffled = np.random.default_rng(0).permutation(len(x))
    found = group_voices(scorer, x[shuffled], 0.6, 0.5)
    assert same_groups(found.voices, labels[shuffled])
    assert found.centred == (count > 4)
    assert (found.margins > 0).all()


def test_what_all_recordings_share_is_taken_away(scorer):
    """All share a direction, as one microphone gives it: their cosines are high."""
    x, labels = voices(1, 12, 5, offset=1.2)
    scores, vectors = pair_scores(scorer, x)
    assert not same_groups(cut_tree(scores, vectors, 0.5), labels)
    assert same_groups(group_voices(scorer, x, 0.95, 0.4).voices, labels)


def test_a_cut_is_the_best_of_all_cuts(scorer):
    x, _ = voices(2, 6, 4, spread=0.9)
    scores, vectors = pair_scores(scorer, x)
    tree = linkage(vectors, "ward")
    gains = np.where(np.eye(len(x)), 0, scores - 0.3)
    totals = []
    for groups in range(1, len(x) + 1):
        cut = fcluster(tree, groups, "maxclust")
        totals.append(gains[cut[:, None] == cut].sum())
    best = fcluster(tree, 1 + int(np.argmax(totals)), "maxclust")
    assert same_groups(cut_tree(scores, vectors, 0.3), best)
    assert cut_tree(scores, vectors, 0.3, 3).max() == 2
    assert cut_tree(scores, vectors, 0.3, 99).max() == len(x) - 1


def test_doubtful_recordings_have_a_low_margin(scorer):
    x, labels = voices(3, 4, 6)
    between = (x[0] + x[6]) / 2
    alone = -x[labels == 3].mean(0)
    found = group_voices(scorer, np.vstack([x, between, alone]).astype("f4"), 0.6, 0.6)
    assert found.margins.argmin() == 24
    assert found.margins[25] > 0


def test_margins_by_hand():
    scores = np.array([[0, 5, 1], [5, 0, 2], [1, 2, 0.0]])
    found = margins(scores, np.array([0, 0, 1]), 3.0)
    assert found.tolist() == [5 - 3, 5 - 3, 3 - 1.5]


def test_one_recording_and_too_many(scorer, monkeypatch):
    x, _ = voices(4, 1, 3)
    assert group_voices(scorer, x[:1], 0.6, 0.5).voices.tolist() == [0]
    monkeypatch.setattr(grouping, "MOST", 2)
    with pytest.raises(RecipeError, match="3 recordings are too many"):
        group_voices(scorer, x, 0.6, 0.5)


def test_with_plda_the_evidence_decides():
    """All share a direction, which is what a threshold takes for one voice."""
    rng = np.random.default_rng(0)
    psi = np.geomspace(8, 0.5, 24)
    plda = {"mean": np.zeros(24), "lda": np.eye(24), "centre": np.zeros(24), "mu": np.zeros(24)}
    plda |= {"diagonal": 5 * np.eye(24), "psi": psi}
    scorer = Scorer(
        "plda", {"mean": np.zeros(24), "cohort": np.eye(24), **{f"plda_{k}": v for k, v in plda.items()}}, 0, True
    )
    for count in (1, 2, 6):
        labels = np.repeat(np.arange(count), 8)
        x = np.sqrt(psi) * (rng.standard_normal((count, 24))[labels] + 0.7) + 0.6 * rng.standard_normal(
            (len(labels), 24)
        )
        found = group_voices(scorer, x, 10.0, 5.0)
        assert same_groups(found.voices, labels)
        assert not found.centred and len(found.margins) == len(x)
        assert group_voices(scorer, x, 10.0, 5.0, 3).voices.max() == 2
