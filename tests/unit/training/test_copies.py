"""Batches on the training device: on a CPU they are those that were read."""

import pytest
import torch

from dlglc.training.copies import Copies


def test_a_batch_keeps_its_names_types_and_values():
    batch = {"index": torch.tensor([3, 1]), "wave0": torch.tensor([[1, -2]], dtype=torch.int16)}
    moved = Copies(torch.device("cpu"))(batch)
    assert moved.keys() == batch.keys()
    assert all(moved[key].dtype == batch[key].dtype and torch.equal(moved[key], batch[key]) for key in batch)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_copies_beside_its_work():
    device = torch.device("cuda:0")
    copies = Copies(device)
    busy = torch.randn(4000, 4000, device=device)
    for seed in range(20):
        batch = {"x": torch.randn(1000, 1000, generator=torch.Generator().manual_seed(seed)).pin_memory()}
        for _ in range(5):
            busy = busy @ busy / 4000
        assert torch.equal(copies(batch)["x"].clone().cpu(), batch["x"])
