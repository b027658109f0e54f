"""Bytes, FLOPs and operations of a training step, counted on fake tensors: a change that doubles one is seen."""

import pytest
import torch
from traffic import Traffic, dino_step, round_step

pytestmark = pytest.mark.slow


def test_an_operation_counts_what_it_reads_and_writes():
    a, b = torch.zeros(10, 20), torch.zeros(20, 30)
    for operation, expected in (
        (lambda: a @ b, 4 * (200 + 600 + 300)),
        (lambda: a + 1, 4 * 400),
        (lambda: a.add_(a), 4 * 400),  # one and the same tensor is read once
        (lambda: a[0].expand(50, 20) * 2, 4 * (20 + 1000)),  # an expanded tensor is as large as what it repeats
        (lambda: a[:, :5].t().unsqueeze(0), 0),  # views move nothing
        (lambda: torch.empty(7), 0),
        (lambda: a[torch.tensor([1, 2])], 2 * 4 * 40),  # two rows of ten
    ):
        with Traffic([]) as traffic:
            operation()
        assert traffic.total == pytest.approx(expected, abs=20), operation


def test_parts_of_a_model_are_told_apart():
    model = torch.nn.ModuleDict({"first": torch.nn.Linear(8, 8), "second": torch.nn.Linear(8, 8)})

    class Both(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, x):
            return self.inner["second"](self.inner["first"](x)).sum()

    with Traffic(["inner.first", "inner.second"]) as traffic:
        Both()(torch.zeros(4, 8)).backward()
    first, second, other = (traffic.parts[name] for name in ("inner.first", "inner.second", "other"))
    assert first > 500 and second > 500 and first + second + other == traffic.total


# Counted once with these settings (torch 2.13.0). Where a change is meant, write its new numbers here and into
# docs/benchmarks.md.
PINNED = {
    "dino": (1.84e9, 10.7e9, 936),
    "round": (0.727e9, 3.14e9, 572),
    "voxceleb": (280e9, 11.86e12, 1664),
}


@pytest.mark.parametrize("step", PINNED)
def test_a_step_moves_as_much_as_before(step):
    counted = {
        "dino": lambda: dino_step("mini"),
        "round": lambda: round_step("mini"),
        "voxceleb": lambda: dino_step("voxceleb"),
    }[step]()
    moved, flops, operations = PINNED[step]
    assert counted.bytes == pytest.approx(moved, rel=0.05)
    assert counted.flops == pytest.approx(flops, rel=0.02)
    assert counted.operations == pytest.approx(operations, rel=0.1)


def test_a_change_that_doubles_the_traffic_is_seen(monkeypatch):
    """Pooling that widens its input once more than it needs."""
    from dlglc.encoders import ecapa_tdnn, pooling

    def wasteful(logits, x):
        return pooling.weighted_statistics(logits * 1.0 + 0.0, x * 1.0 + 0.0) + 0.0 * x.float().square().sum()

    before = dino_step("mini")
    monkeypatch.setattr(ecapa_tdnn, "weighted_statistics", wasteful)
    after = dino_step("mini")
    assert after.bytes > 1.05 * before.bytes and after.operations > before.operations
    assert after.parts["encoder.pool"] > 1.2 * before.parts["encoder.pool"]
