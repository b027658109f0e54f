"""Quality of clusters against scikit-learn and the Hungarian method; quality of gates by hand."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from dlglc.reports.quality import cluster_quality, gate_quality
from dlglc.rounds.loss import CORRECTED, DROPPED, KEPT


@pytest.mark.parametrize("seed", range(12))
def test_quality_is_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    speakers = rng.integers(rng.integers(1, 40), size=300)
    clusters = np.where(rng.random(300) < rng.random(), speakers, rng.integers(1, 60, 300))
    table = contingency_matrix(clusters, speakers)
    found = cluster_quality(clusters.astype(str).tolist(), speakers.astype(str).tolist())
    assert found["nmi"] == pytest.approx(normalized_mutual_info_score(speakers, clusters), abs=1e-5)
    assert found["ari"] == pytest.approx(adjusted_rand_score(speakers, clusters), abs=1e-5)
    assert found["purity"] == pytest.approx(table.max(1).sum() / 300, abs=1e-5)
    assert found["accuracy"] == pytest.approx(table[linear_sum_assignment(table, maximize=True)].sum() / 300, abs=1e-5)
    assert (found["num_clusters"], found["num_speakers"], found["num_utterances"]) == (*table.shape, 300)
    assert found["singletons"] == (table.sum(1) == 1).sum()


@pytest.mark.parametrize(("clusters", "speakers"), [("a", "x"), ("aaa", "xyz"), ("abc", "xxx"), ("abc", "xyz")])
def test_quality_of_extremes(clusters, speakers):
    found = cluster_quality(list(clusters), list(speakers))
    assert found["nmi"] == pytest.approx(normalized_mutual_info_score(list(speakers), list(clusters)), abs=1e-5)
    assert found["ari"] == pytest.approx(adjusted_rand_score(list(speakers), list(clusters)), abs=1e-5)


def test_quality_by_hand():
    found = cluster_quality(list("000112"), list("xxyyyy"))
    assert found["purity"] == pytest.approx(5 / 6, abs=1e-5)
    assert found["accuracy"] == pytest.approx(4 / 6, abs=1e-5)
    assert found["singletons"] == 1


def test_a_gate_by_hand(tmp_path):
    """Clusters 0 and 1 are of speakers x and y by most of their utterances; c1 and f2 are labelled wrongly."""
    clusters, truth = list("000111"), list("xxyyyx")
    epochs = {
        2: ([KEPT] * 6, [0, 0, 0, 1, 1, 1]),
        7: ([KEPT, DROPPED, CORRECTED, CORRECTED, KEPT, DROPPED], [0, 1, 1, 0, 1, 0]),
    }
    for epoch, (decision, target) in epochs.items():
        arrays = {"decision": np.array(decision, np.int8), "target": np.array(target)}
        np.savez(tmp_path / f"epoch{epoch:02d}.npz", **arrays, log_loss=np.zeros(6), rows=np.arange(6))
    first, last = gate_quality(tmp_path, clusters, truth)
    assert first == {
        **{"epoch": 2, "labels_right": 0.6667, "kept": 1.0, "kept_right": 0.6667},
        **{"corrected": 0.0, "corrected_right": None, "corrected_right_before": None},
        **{"dropped": 0.0, "dropped_right": None},
    }
    assert last == {
        **{"epoch": 7, "labels_right": 0.6667, "kept": 0.3333, "kept_right": 1.0},
        # Of the two that were corrected one was wrong and is right now, the other the reverse.
        **{"corrected": 0.3333, "corrected_right": 0.5, "corrected_right_before": 0.5},
        **{"dropped": 0.3333, "dropped_right": 0.5},
    }


def test_a_round_without_a_gate_has_no_lines(tmp_path):
    assert gate_quality(tmp_path / "gate", ["a"], ["x"]) == []


def test_utterances_that_were_held_out_do_not_count(tmp_path):
    """a and b are of one speaker each; the third utterance, in a wrong cluster, is held out."""
    decision, target = np.array([KEPT, DROPPED], np.int8), np.array([0, 1])
    np.savez(tmp_path / "epoch01.npz", decision=decision, target=target, log_loss=np.zeros(2), rows=np.array([0, 3]))
    [line] = gate_quality(tmp_path, ["0", "0", "0", "1"], ["a", "a", "b", "b"])
    assert (line["labels_right"], line["kept"], line["kept_right"], line["dropped"]) == (1.0, 0.5, 1.0, 0.5)
