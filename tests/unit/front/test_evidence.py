"""The number of voices by evidence: against Gaussians that are written out, and on voices that were drawn."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from dlglc.front.evidence import COMMON, NEW_VOICE, SPREAD, WEIGHT, Evidence, likeliest_cut
from dlglc.front.grouping import groups_after, ward_tree

PSI = np.array([3.0, 1.0, 0.2])


def written_out(vectors, labels):
    """The logarithm of evidence and prior of a partition, from the covariance of all recordings."""
    same = labels[:, None] == labels
    total = 0.0
    for column, psi in zip(vectors.T, PSI):
        covariance = COMMON * psi + psi * same + SPREAD * np.eye(len(labels))
        total += multivariate_normal.logpdf(column, np.zeros(len(labels)), covariance)
    sizes = np.bincount(labels)
    return WEIGHT * total + sum(math.log(NEW_VOICE) + math.lgamma(size) for size in sizes)


def test_the_evidence_is_that_of_the_gaussians():
    vectors = np.random.default_rng(0).normal(0, 1.5, (7, 3))
    merges = [(0, 3), (1, 2), (7, 4), (9, 8), (10, 6), (5, 11)]
    evidence = Evidence(vectors, PSI, WEIGHT)
    found, expected = [evidence.value], [written_out(vectors, groups_after(merges, 7, 0))]
    for number, (first, second) in enumerate(merges, 1):
        evidence.join(first, second, 6 + number)
        found.append(evidence.value)
        expected.append(written_out(vectors, groups_after(merges, 7, number)))
    np.testing.assert_allclose(np.diff(found), np.diff(expected), atol=1e-9)
    assert likeliest_cut(vectors, PSI, merges) == int(np.argmax(expected))


def drawn(seed, voices, each, shift):
    """Vectors of some voices, as PLDA has them, and what all of them share."""
    rng = np.random.default_rng(seed)
    psi = np.geomspace(8, 0.1, 40)
    labels = np.repeat(np.arange(voices), each)
    common = shift * np.sqrt(psi) * rng.standard_normal(40)
    means = np.sqrt(psi) * rng.standard_normal((voices, 40))
    return common + means[labels] + rng.standard_normal((len(labels), 40)), psi


@pytest.mark.parametrize("shift", [0.0, 1.5])
@pytest.mark.parametrize("voices", [1, 2, 5, 20])
def test_the_number_of_voices_is_found_in_any_room(voices, shift):
    found = []
    for seed in range(5):
        vectors, psi = drawn(seed, voices, 8, shift)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        found.append(len(vectors) - likeliest_cut(vectors, psi, ward_tree(unit)))
    assert abs(np.median(found) - voices) <= 0.1 * voices


def test_one_recording_is_one_voice():
    assert likeliest_cut(np.ones((1, 3)), PSI, []) == 0
