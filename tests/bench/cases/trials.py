"""Cases about verification trials: cosine scores, score normalisation, error rates."""

import numpy as np
from measure import Peer, compare
from sklearn.metrics import roc_curve
from sklearn.metrics.pairwise import cosine_similarity

from dlglc.scoring.backends import dot_trials
from dlglc.scoring.cohort import cohort_statistics
from dlglc.scoring.metrics import roc, summary
from dlglc.vectors import unit_length


def cosine() -> None:
    """580k trials over 145k x 192 embeddings"""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((145_000, 192), dtype=np.float32)
    rows, columns = rng.integers(len(x), size=(2, 580_000))
    pairs = list(zip(rows.tolist(), columns.tolist()))
    unit = unit_length(x)

    def ours() -> None:
        unit = unit_length(x)
        dot_trials(unit, unit, rows, columns)

    def sklearn() -> None:
        for i, j in pairs[:2000]:
            cosine_similarity(x[i].reshape(1, -1), x[j].reshape(1, -1))[0][0]

    def numpy() -> None:
        for i, j in pairs[:20_000]:
            np.dot(unit[i], unit[j])

    def gather() -> None:
        for start in range(0, len(rows), 4096):
            unit[rows[start : start + 4096]]
            unit[columns[start : start + 4096]]

    peers = {
        "fetching both vectors of each trial alone": Peer(gather),
        "scikit-learn a trial (as WeSpeaker, 3D-Speaker)": Peer(sklearn, goal=500, factor=290),
        "numpy dot a trial, lengths given": Peer(numpy, goal=10, factor=29),
    }
    compare("cosine, 580k trials of 145k × 192", ours, peers)


def asnorm() -> None:
    """AS-norm statistics, cohort 20k x 192, top 300, for 16k of 145k rows"""
    rng = np.random.default_rng(0)
    x = unit_length(rng.standard_normal((16_384, 192), dtype=np.float32))
    cohort = unit_length(rng.standard_normal((20_000, 192), dtype=np.float32))

    def product() -> None:
        for start in range(0, len(x), 1024):
            x[start : start + 1024] @ cohort.T

    def partition() -> None:
        for start in range(0, len(x), 1024):
            scores = x[start : start + 1024] @ cohort.T
            best = np.partition(scores, 20_000 - 300, axis=1)[:, 20_000 - 300 :]
            best.mean(1), best.std(1)

    def sort() -> None:
        for start in range(0, len(x), 1024):
            best = np.sort(x[start : start + 1024] @ cohort.T, axis=1)[:, ::-1][:, :300]
            best.mean(1), best.std(1)

    peers = {
        "its matrix product alone (goal: within 1.2 ×)": Peer(product, goal=1 / 1.2),
        "product and np.partition": Peer(partition),
        "product and sort (as WeSpeaker)": Peer(sort),
    }
    compare("AS-norm, 16,384 rows × 20k, top 300", lambda: cohort_statistics(x, cohort, 300), peers)


def rates() -> None:
    """EER and minDCF of 580k scores"""
    rng = np.random.default_rng(0)
    target = rng.random(580_000) < 0.5
    scores = (rng.standard_normal(580_000) + 2.5 * target).astype(np.float32)
    listed, flags, targets = scores.tolist(), target.tolist(), int(target.sum())

    def sklearn() -> None:
        p_fa, p_hit, _ = roc_curve(target, scores)
        p_miss = 1 - p_hit
        p_miss[np.nanargmin(np.abs(p_miss - p_fa))]
        [(p * p_miss + (1 - p) * p_fa).min() / min(p, 1 - p) for p in (0.01, 0.05)]

    def loop() -> None:
        order = sorted(range(len(scores)), key=listed.__getitem__)
        miss, false_alarms, misses, rejected = [], [], 0, 0
        for i in order:
            misses += flags[i]
            rejected += not flags[i]
            miss.append(misses)
            false_alarms.append(rejected)
        miss = [m / targets for m in miss]
        false_alarms = [1 - r / (len(scores) - targets) for r in false_alarms]
        next(m for m, f in zip(miss, false_alarms) if m >= f)
        for p in (0.01, 0.05):
            min(p * m + (1 - p) * f for m, f in zip(miss, false_alarms))

    peers = {"scikit-learn roc_curve": Peer(sklearn, goal=5), "a Python loop over thresholds": Peer(loop)}
    compare("EER, minDCF at 0.01 and 0.05, 580k scores", lambda: summary(roc(scores, target)), peers)
