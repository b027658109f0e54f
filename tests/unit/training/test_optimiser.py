"""Schedules by their formulas, groups of parameters, clipping per tensor, means over epochs."""

import math
from collections import Counter

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from dlglc.settings import load_settings
from dlglc.settings.schema import DlglcSettings
from dlglc.training.optimiser import (
    EpochMean,
    begin_at_rest,
    build_optimiser,
    clip_each,
    learning_rate,
    parameter_groups,
)


def optimiser(**changes):
    """The section `optimiser` of conf/dlglc.yaml with changes; 12 epochs or more fit its warm-up."""
    words = ["epochs=40", *(f"optimiser.{key}={value}" for key, value in changes.items())]
    return load_settings(DlglcSettings, None, words).optimiser


def rates(settings, times, epochs=10, batch_size=32):
    return [learning_rate(settings, t, epochs, batch_size) for t in times]


def test_a_cosine_schedule_with_warm_up():
    settings = optimiser(lr=0.4, final_lr=0.1, scale_batch=0, schedule="cosine", warmup_epochs=2)
    assert rates(settings, [0, 1, 2, 6, 10]) == pytest.approx([0, 0.2, 0.4, 0.25, 0.1])
    assert rates(settings, [4])[0] == pytest.approx(0.1 + 0.3 * (1 + math.cos(math.pi / 4)) / 2)


def test_an_exponential_schedule_falls_by_the_same_factor():
    settings = optimiser(lr=0.4, final_lr=0.1, scale_batch=0, schedule="exponential", warmup_epochs=2)
    assert rates(settings, [1, 2, 6, 10]) == pytest.approx([0.2, 0.4, 0.2, 0.1])


@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_rates_scale_with_the_batch_unless_told_not_to(schedule):
    common = {"lr": 0.4, "final_lr": 0.1, "schedule": schedule, "warmup_epochs": 2}
    scaled, fixed = optimiser(scale_batch=128, **common), optimiser(scale_batch=0, **common)
    times = [0.5, 2, 5, 9.9]
    assert rates(scaled, times, batch_size=32) == pytest.approx([r / 4 for r in rates(fixed, times)])
    assert rates(fixed, times, batch_size=512) == rates(fixed, times)


def test_a_run_that_is_all_warm_up_ends_at_the_peak():
    settings = optimiser(lr=0.4, final_lr=0.1, scale_batch=0, warmup_epochs=10)
    assert rates(settings, [5, 10]) == pytest.approx([0.2, 0.4])


def test_weight_decay_is_for_matrices_only():
    module = nn.Sequential(nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4), nn.Linear(4, 2))
    decay, plain = parameter_groups(module, 0.3, {})
    assert (decay["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    assert [p is q for p, q in zip(decay["params"], (module[0].weight, module[2].weight))] == [True, True]
    assert len(plain["params"]) == 4
    assert all(p.ndim == 1 for p in plain["params"])


def test_factors_of_the_rate_and_frozen_parameters():
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(2, 2))
    module[0].requires_grad_(False)
    factors = dict.fromkeys(module[1].parameters(), 0.25)
    groups = build_optimiser(module, optimiser(name="sgd"), factors).param_groups
    found = {(group["factor"], group["weight_decay"] > 0): [p.shape for p in group["params"]] for group in groups}
    assert found == {(1.0, True): [(2, 2)], (1.0, False): [(2,)], (0.25, True): [(2, 4)], (0.25, False): [(2,)]}


def test_the_optimiser_is_the_one_of_the_settings():
    module = nn.Linear(3, 2)
    sgd = build_optimiser(module, optimiser(name="sgd", momentum=0.8, nesterov="false", weight_decay=0.2))
    assert isinstance(sgd, torch.optim.SGD)
    group = sgd.param_groups[0]
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.8, False, 0.2)
    adam = build_optimiser(module, optimiser(name="adamw", momentum=0.8))
    assert isinstance(adam, torch.optim.AdamW)
    assert adam.param_groups[1]["betas"] == (0.8, 0.999)


@pytest.mark.parametrize("nesterov", [False, True])
def test_a_parameter_may_get_its_first_gradient_late(nesterov):
    """As DINO's prototypes do. Fused SGD, which is used on a GPU, fails there without begin_at_rest."""
    steps = {}
    for fused in (False, True):
        early, late = (nn.Parameter(torch.linspace(-1, 1, 5)) for _ in "ab")
        group = {"params": [early, late], "weight_decay": 0.1}
        sgd = torch.optim.SGD([group], lr=0.1, momentum=0.9, nesterov=nesterov, fused=fused)
        if fused:
            sgd = begin_at_rest(sgd)
        for epoch in range(4):
            early.grad = torch.linspace(0, epoch + 1, 5)
            late.grad = torch.linspace(1, epoch, 5) if epoch >= 2 else None
            sgd.step()
        steps[fused] = torch.stack([early, late])
    torch.testing.assert_close(steps[True], steps[False])


def test_each_gradient_is_clipped_by_its_own_norm():
    parameters = [nn.Parameter(torch.zeros(4)) for _ in range(3)]
    parameters[0].grad = torch.full((4,), 3.0)  # norm 6
    parameters[1].grad = torch.tensor([0.5, 0, 0, 0])
    clip_each(parameters, 2.0)
    torch.testing.assert_close(parameters[0].grad, torch.full((4,), 1.0))
    assert parameters[1].grad.tolist() == [0.5, 0, 0, 0]
    assert parameters[2].grad is None


def test_clipping_many_tensors_needs_few_operations():
    """On a GPU each operation is a kernel. The product is one for each tensor; the norms and limits are a handful."""
    parameters = [nn.Parameter(torch.zeros(n % 7 + 1)) for n in range(200)]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    with Operations() as operations:
        clip_each(parameters, 0.5)
    assert all(p.grad.norm().item() == pytest.approx(0.5, rel=1e-4) for p in parameters)
    assert sum(operations.counts.values()) <= 20, operations.counts


class Operations(TorchDispatchMode):
    """Counts the operations that run."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))


def test_a_mean_over_the_last_epochs():
    mean = EpochMean(2, 5)
    assert mean.average({"w": torch.ones(1)})["w"] == 1
    for epoch in range(5):
        mean.add(epoch, {"w": torch.full((2,), float(epoch)), "batches": torch.tensor(epoch)})
    assert mean.average({"w": torch.zeros(2), "batches": torch.tensor(0)})["w"].tolist() == [3.5, 3.5]
    longer = EpochMean(9, 2)
    longer.add(0, {"w": torch.zeros(1)})
    longer.add(1, {"w": torch.ones(1)})
    assert longer.average({"w": torch.zeros(1)})["w"].item() == pytest.approx(0.5)


def test_a_mean_keeps_the_types_and_begins_at_its_epoch():
    mean = EpochMean(2, 3)
    mean.add(0, {"w": torch.tensor([100.0]), "count": torch.tensor(1)})
    assert mean.sums == {}
    mean.add(1, {"w": torch.tensor([1.0]), "count": torch.tensor(2)})
    mean.add(2, {"w": torch.tensor([2.0]), "count": torch.tensor(4)})
    found = mean.average({"w": torch.zeros(1), "count": torch.tensor(0)})
    assert (found["w"].dtype, found["count"].dtype) == (torch.float32, torch.int64)
    assert (found["w"].item(), found["count"].item()) == (1.5, 3)
