"""The signs of a collapse, and what is said of each."""

import math

import pytest
import torch

from dlglc.dino.health import health


def test_health_tells_both_collapses():
    outputs, batch = 32, 16
    healthy = torch.eye(outputs)[torch.arange(2 * batch) % outputs].view(2, batch, outputs)
    spread = torch.randn(2, batch, 8, generator=torch.Generator().manual_seed(0))
    uniform = torch.full((2, batch, outputs), 1 / outputs)
    single = torch.eye(outputs)[torch.zeros(2 * batch, dtype=torch.long)].view(2, batch, outputs)
    same = torch.ones(2, batch, 8)
    assert health(healthy, spread)["batch_entropy"] == pytest.approx(math.log(outputs), abs=1e-4)
    assert health(healthy, spread)["teacher_entropy"] == pytest.approx(0, abs=1e-4)
    assert health(uniform, same)["teacher_entropy"] == pytest.approx(math.log(outputs), abs=1e-4)
    assert health(single, same)["batch_entropy"] == pytest.approx(0, abs=1e-4)
    assert health(single, same)["embedding_std"] == pytest.approx(0, abs=1e-6)
    assert 0.7 < health(healthy, spread)["embedding_std"] < 1.2
