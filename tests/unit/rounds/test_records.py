"""An epoch's records: every utterance at its row, over checkpoints and processes, and the file that reports read."""

import math

import numpy as np
import pytest
import torch

from dlglc.rounds.loss import CORRECTED, DROPPED, KEPT, GatedLoss
from dlglc.rounds.records import FIELDS, EpochRecords, read_record, record_file


def batch(losses, decision, target):
    return GatedLoss(
        torch.tensor(0.0), torch.tensor(decision).int(), torch.tensor(target), torch.tensor(losses, dtype=torch.float64)
    )


@pytest.fixture
def records(processes):
    """Six utterances noted in two batches."""
    records = EpochRecords(6, processes)
    records.add(torch.tensor([4, 0, 2]), batch([0.5, 0.0, 9.0], [KEPT, KEPT, DROPPED], [7, 1, 5]))
    records.add(torch.tensor([1, 3, 5]), batch([3.0, 1.0, 2.0], [CORRECTED, KEPT, CORRECTED], [0, 3, 2]))
    return records


def test_each_utterance_stands_at_its_row(records):
    records.gather()
    assert records.losses.tolist() == [0.0, 3.0, 9.0, 1.0, 0.5, 2.0]
    assert records.decision.tolist() == [KEPT, CORRECTED, DROPPED, KEPT, KEPT, CORRECTED]
    assert records.target.tolist() == [1, 0, 5, 3, 7, 2]


def test_shares_add_up_to_one(records):
    assert records.shares() == pytest.approx({"kept": 3 / 6, "corrected": 2 / 6, "dropped": 1 / 6})


def test_the_file_of_an_epoch(records, tmp_path):
    records.save(tmp_path / "gate/epoch03.npz")
    with np.load(tmp_path / "gate/epoch03.npz") as found:
        assert sorted(found) == ["decision", "log_loss", "rows", "target"]
        assert found["decision"].dtype == np.int8
        assert found["decision"].tolist() == records.decision.tolist()
        assert found["target"].tolist() == records.target.tolist()
        expected = [math.log(1e-8), *np.log([3, 9, 1, 0.5, 2])]  # the floor stands for a loss of 0
        np.testing.assert_allclose(found["log_loss"], expected, rtol=1e-6)
        assert found["rows"].tolist() == [0, 1, 2, 3, 4, 5]
    again = read_record(record_file(tmp_path / "gate", 3))
    assert (again.decision == records.decision.numpy()).all()
    assert (again.target == records.target.numpy()).all()
    np.testing.assert_allclose(again.log_loss, expected, rtol=1e-6)
    assert again.rows.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_file_may_be_of_some_rows_only(tmp_path):
    arrays = {"decision": np.ones(2, np.int8), "target": np.zeros(2, np.int32), "log_loss": np.zeros(2)}
    np.savez(record_file(tmp_path, 12), **arrays, rows=np.array([3, 5]))
    assert read_record(tmp_path / "epoch12.npz").rows.tolist() == [3, 5]


def test_a_checkpoint_in_the_middle_of_an_epoch_goes_on_to_the_same_records(records, processes):
    half = EpochRecords(6, processes)
    half.add(torch.tensor([4, 0, 2]), batch([0.5, 0.0, 9.0], [KEPT, KEPT, DROPPED], [7, 1, 5]))
    state = {key: value.clone() for key, value in half.state().items()}
    assert all(key.startswith("sum:") for key in state)  # the checkpoint sums them over processes
    resumed = EpochRecords(6, processes)
    resumed.load_state(state)
    resumed.add(torch.tensor([1, 3, 5]), batch([3.0, 1.0, 2.0], [CORRECTED, KEPT, CORRECTED], [0, 3, 2]))
    for name in FIELDS:
        assert torch.equal(getattr(resumed, name), getattr(records, name))
