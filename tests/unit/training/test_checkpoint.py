"""Checkpoints: all of a training there and back, and what another number of processes may take over."""

import numpy as np
import pytest
import torch
from torch import nn

from dlglc.errors import RecipeError
from dlglc.files import load_tensors, save_tensors
from dlglc.training.checkpoint import Position, checksum, load_checkpoint, save_checkpoint
from dlglc.training.task import Task


class Counting(Task):
    """Has a plain value and a tensor that processes share."""

    def __init__(self, seed, seen=0):
        torch.manual_seed(seed)
        self.module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        self.seen, self.share = seen, torch.arange(3.0) * seen

    def state(self):
        return {"seen": self.seen, "sum:share": self.share}

    def load_state(self, state):
        self.seen, self.share = state["seen"], state["sum:share"]


class Training:
    """A task with optimiser and scaler, some steps on."""

    def __init__(self, seed, steps=0):
        self.task = Counting(seed, steps)
        self.optimiser = torch.optim.AdamW(self.task.module.parameters(), lr=0.01)
        self.scaler = torch.amp.GradScaler("cpu", enabled=False)
        for _ in range(steps):
            self.step()

    def step(self):
        self.optimiser.zero_grad()
        self.task.module(torch.randn(5, 3)).square().mean().backward()
        self.optimiser.step()

    def parts(self):
        return self.task, self.optimiser, self.scaler


def test_a_training_goes_on_with_the_same_bits(processes, tmp_path):
    one = Training(0, 3)
    sums = {"loss": torch.tensor(4.5, dtype=torch.float64)}
    save_checkpoint(tmp_path / "checkpoint.pt", *one.parts(), Position(2, 7), sums, processes)
    one.step()
    expected = torch.rand(1)

    other = Training(1, 1)
    position, found = load_checkpoint(tmp_path / "checkpoint.pt", *other.parts(), processes)
    assert position == Position(2, 7) == (2, 7)
    assert found["loss"].dtype == torch.float64 and found["loss"].item() == 4.5
    assert other.task.seen == 3
    assert other.task.share.tolist() == [0, 3, 6]
    other.step()
    assert torch.equal(torch.rand(1), expected)
    for name, value in one.task.module.state_dict().items():
        assert torch.equal(value, other.task.module.state_dict()[name])


@pytest.mark.slow
def test_two_processes_save_the_sum_of_their_shares_and_keep_their_own(two_processes):
    saved = load_tensors(two_processes / "checkpoint.pt")
    assert (saved["world"], saved["position"]) == (2, [1, 2])
    assert saved["task"]["sum:share"].tolist() == [3.0, 30.0]
    assert saved["task"]["plain"] == 7
    assert saved["sums"]["loss"].item() == 1.5
    for rank in range(2):
        own = torch.load(two_processes / str(rank))
        assert own["share"].tolist() == [1.0 + rank, 10.0 * (1 + rank)]
        assert own["loss"].item() == 1.0 + rank


@pytest.mark.slow
def test_processes_with_different_checkpoints_do_not_train_on(two_processes):
    for rank in range(2):
        said = (two_processes / f"apart{rank}/said").read_text()
        assert f"apart{rank}/checkpoint.pt: the processes of this training found different checkpoints" in said
        assert not (two_processes / f"apart{rank}/metrics.jsonl").exists()


def test_a_checksum_tells_checkpoints_apart(tmp_path):
    assert checksum(tmp_path / "none") == 0
    for name, text in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(text)
    assert checksum(tmp_path / "a") == checksum(tmp_path / "b") != checksum(tmp_path / "c")


@pytest.mark.parametrize("step", [0, 4])
def test_another_number_of_processes_may_go_on_between_epochs_only(processes, tmp_path, step):
    one = Training(0, 1)
    save_checkpoint(tmp_path / "c", *one.parts(), Position(3, step), {}, processes)
    saved = load_tensors(tmp_path / "c")
    save_tensors({**saved, "world": 4}, tmp_path / "c")
    other = Training(1)
    if step:
        before = [p.detach().clone() for p in other.task.module.parameters()]
        with pytest.raises(RecipeError, match=r"taken in the middle of an epoch by 4 processes, now 1: resume with 4"):
            load_checkpoint(tmp_path / "c", *other.parts(), processes)
        assert all(torch.equal(p, b) for p, b in zip(other.task.module.parameters(), before))
    else:
        position, _ = load_checkpoint(tmp_path / "c", *other.parts(), processes)
        assert position == (3, 0)


def test_a_damaged_checkpoint_is_named(processes, tmp_path):
    save_checkpoint(tmp_path / "c", *Training(0).parts(), Position(0, 0), {}, processes)
    content = (tmp_path / "c").read_bytes()
    (tmp_path / "c").write_bytes(content[: len(content) // 2])
    with pytest.raises(RecipeError, match="c: "):
        load_checkpoint(tmp_path / "c", *Training(1).parts(), processes)


def test_arrays_of_numpy_are_no_part_of_a_checkpoint(processes, tmp_path):
    """Nothing in a checkpoint is executed when it is read, so that it holds tensors and plain values only."""
    one = Training(0)
    one.task.seen = np.arange(3)
    save_checkpoint(tmp_path / "c", *one.parts(), Position(0, 0), {}, processes)
    with pytest.raises(RecipeError, match="c: "):
        load_checkpoint(tmp_path / "c", *Training(1).parts(), processes)
