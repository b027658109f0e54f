"""Batches: each utterance once, the same for one process and for several."""

import pickle

import numpy as np
import pytest
import torch

from dlglc.data.augment import PLAN
from dlglc.data.batches import Batches
from dlglc.data.crops import Crops
from dlglc.errors import RecipeError


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [6, 7, 24, 100])
def test_every_utterance_once_an_epoch_and_batches_within_one(crops, batch_size, world):
    ranks = [Batches(crops, batch_size, rank, world) for rank in range(world)]
    for epoch in (0, 1):
        for part in ranks:
            part.set_epoch(epoch)
        assert len({len(part.rows) for part in ranks}) == 1
        seen = np.concatenate([rows for part in ranks for rows in part.rows])
        assert sorted(seen) == list(range(24))
        sizes = [len(rows) for part in ranks for rows in part.rows]
        assert max(sizes) - min(sizes) <= 1 + (world > 1)
        assert min(sizes) >= 2


def test_several_processes_share_the_batches_of_one(crops):
    one = Batches(crops, 8)
    two = [Batches(crops, 8, rank, 2) for rank in range(2)]
    for step in range(len(one)):
        assert sorted(one.rows[step]) == sorted(np.concatenate([t.rows[step] for t in two]))


def test_parts_of_a_step_are_taken_one_after_the_other(crops):
    whole, parts = Batches(crops, 11, 1, 2), Batches(crops, 11, 1, 2, parts=2)
    assert whole.num_steps == parts.num_steps == 3
    for step, rows in enumerate(whole.rows):
        assert np.concatenate(parts.rows[2 * step : 2 * step + 2]).tolist() == rows.tolist()
    last = [batch["index"].tolist() for batch in parts.loader(range(1), 2, 0, False)]
    assert last == [rows.tolist() for rows in parts.rows[4:]]


def test_too_few_utterances_for_the_processes(crops):
    with pytest.raises(RecipeError, match="24 training utterances for 13 processes"):
        Batches(crops, 8, 0, 13)


def test_the_order_depends_on_seed_and_epoch_alone(tiny, fbank):
    def orders(seed):
        batches = Batches(Crops(tiny / "train", fbank, [(1, 0.5)], None, seed), 24)
        rows = []
        for epoch in (0, 1, 0):
            batches.set_epoch(epoch)
            rows.append(np.concatenate(batches.rows).tolist())
        return rows

    first, second, again = orders(3)
    assert first == again != second
    assert orders(3)[0] == first != orders(4)[0]


def test_reading_ahead_in_a_process_gives_the_same_batches(crops):
    batches = Batches(crops, 9)
    here = list(batches.loader(range(2, 4), 1, 0, False))
    there = list(batches.loader(range(2, 4), 1, 1, False))
    assert len(here) == len(there) == 2 * batches.num_steps - 1 == 5
    for one, other in zip(here, there):
        assert one.keys() == other.keys()
        for key in one:
            torch.testing.assert_close(one[key], other[key], rtol=0, atol=0)


def test_epochs_follow_each_other_from_the_step_of_a_resumed_training(crops):
    batches = Batches(crops, 9)
    found = [batch["index"].tolist() for batch in batches.loader(range(2, 5), 1, 0, False)]
    expected = []
    for epoch in (2, 3, 4):
        batches.set_epoch(epoch)
        expected += [rows.tolist() for rows in batches.rows]
    assert found == expected[1:]


def test_reading_processes_may_be_started_afresh(crops):
    """From Python 3.14 on, a reading process gets the batches in a pickle. The impulse responses stay behind."""
    batches = Batches(crops, 9)
    plan = crops.batch(0, np.arange(24))
    crops.augmenter.apply(plan["wave0"].float(), {key: plan[f"{key}0"] for key in PLAN})
    assert crops.augmenter.bank is not None
    sent = pickle.loads(pickle.dumps(batches))
    assert sent.crops.augmenter.bank is None and crops.augmenter.bank is not None
    for index in (5, 0, 1, 2):
        here, there = batches[index], sent[index]
        assert here.keys() == there.keys() and all(torch.equal(here[key], there[key]) for key in here)
