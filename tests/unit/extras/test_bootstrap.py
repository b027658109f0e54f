"""Resampled error rates against trial lists written out copy by copy, and intervals against fresh speakers."""

import numpy as np
import pytest

from dlglc.extras.bootstrap import bootstrap, draw_speakers, interval
from dlglc.scoring.metrics import roc, summary


def draw(seed, speakers=40, trials=600, gap=2.0):
    """Scores with an effect of each speaker; every speaker has targets."""
    rng = np.random.default_rng(seed)
    enrol = np.arange(trials) % speakers
    target = rng.random(trials) < 0.4
    test = np.where(target, enrol, (enrol + rng.integers(1, speakers, trials)) % speakers)
    effect = 0.7 * rng.normal(size=(2, speakers))
    scores = gap * target + rng.normal(size=trials) + np.where(target, effect[0, enrol], effect[1, enrol])
    return np.round(scores + np.where(target, 0, effect[1, test]), 1), target, enrol, test


def test_a_draw_is_the_list_of_its_copies():
    """Speakers drawn c times, each of their trials written down as often as the module says, and scored afresh."""
    scores, target, enrol, test = draw(0)
    found = bootstrap([roc(scores, target)], enrol, test, (0.05,), 1, 1, draws=30, seed=3)[0]
    for values, times in zip(found, draw_speakers(40, 3)):
        copies = []
        for i in range(len(scores)):
            copies += [i] * int(times[enrol[i]] if target[i] else times[enrol[i]] * times[test[i]])
        expected = summary(roc(scores[copies], target[copies]))
        assert values == pytest.approx([expected["eer"], expected["mindcf_0.05"]], abs=1e-4)


def test_draws_are_of_the_speakers_and_repeat():
    one, two = (np.stack([d for d, _ in zip(draw_speakers(7, 5), range(50))]) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert (one.sum(1) == 7).all()


def test_the_spread_is_that_of_fresh_speakers():
    """Standard deviation of the EER over 300 populations, against what the bootstrap says on single ones."""
    rates = []
    for seed in range(300):
        scores, target, *_ = draw(seed)
        rates.append(summary(roc(scores, target))["eer"])
    guesses = []
    for seed in range(8):
        scores, target, enrol, test = draw(1000 + seed)
        guesses.append(bootstrap([roc(scores, target)], enrol, test, (), 1, 1, 200, 0)[0, :, 0].std())
    assert np.mean(guesses) == pytest.approx(np.std(rates), rel=0.25)
    # Trials drawn on their own would promise far too much.
    scores, target, *_ = draw(1000)
    rng = np.random.default_rng(0)
    alone = [rng.integers(600, size=600) for _ in range(100)]
    alone = np.std([summary(roc(scores[i], target[i]))["eer"] for i in alone])
    assert alone < 0.75 * np.mean(guesses)


def test_differences_of_paired_systems_are_narrower():
    scores, target, enrol, test = draw(0)
    other = scores - 0.3 * target
    both = bootstrap([roc(scores, target), roc(other, target)], enrol, test, (), 1, 1, 300, 0)[:, :, 0]
    np.testing.assert_array_equal(both[0], bootstrap([roc(scores, target)], enrol, test, (), 1, 1, 300, 0)[0, :, 0])
    low, high = interval(both[0] - both[1])
    assert high < 0
    assert high - low < 0.5 * np.subtract(*interval(both[0])[::-1])


def test_draws_without_a_kind_of_trial_are_replaced():
    """Two speakers, one target, one nontarget: only the draw of each once has both, and it separates them."""
    target = np.array([True, False])
    found = bootstrap([roc(np.array([1.0, 0.0]), target)], np.zeros(2, int), np.array([0, 1]), (), 1, 1, 5, 0)
    np.testing.assert_array_equal(found, np.zeros((1, 5, 1)))
