"""DINO's loss against a slow literal one, its schedules and its collapse signs."""

import math

import pytest
import torch

from dlglc.dino.health import collapse, health
from dlglc.dino.loss import (
    cosine_consistency,
    dino_loss,
    ema_update,
    teacher_momentum,
    teacher_probabilities,
    teacher_temperature,
)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_loss_against_the_ten_pairs_written_out():
    views, longs, batch, outputs = 6, 2, 5, 11
    student, teacher, centre = draw(views, batch, outputs), draw(longs, batch, outputs, seed=1), draw(outputs, seed=2)
    total, pairs = 0.0, 0
    for g in range(longs):
        for v in range(views):
            if v == g:
                continue
            for b in range(batch):
                h_t, h_s = (teacher[g, b] - centre) / 0.05, student[v, b] / 0.1
                p_t = [math.exp(x) / sum(math.exp(y) for y in h_t) for x in h_t]
                p_s = [math.exp(x) / sum(math.exp(y) for y in h_s) for x in h_s]
                total -= sum(t * math.log(s) for t, s in zip(p_t, p_s))
            pairs += 1
    assert pairs == 10
    loss = dino_loss(student, teacher_probabilities(teacher, centre, 0.05), 0.1)
    assert loss.item() == pytest.approx(total / pairs / batch, rel=1e-5)


def test_cosine_term_against_the_pairs_written_out():
    student, teacher = draw(6, 4, 7), draw(2, 4, 7, seed=1)
    terms = [
        1 - torch.cosine_similarity(teacher[g, b], student[v, b], dim=0).item()
        for g in range(2)
        for v in range(6)
        if v != g
        for b in range(4)
    ]
    assert cosine_consistency(student, teacher).item() == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_gradient_reaches_the_student_alone():
    student = draw(3, 4, 6).requires_grad_()
    teacher = draw(2, 4, 6, seed=1).requires_grad_()
    dino_loss(student, teacher_probabilities(teacher, torch.zeros(6), 0.04), 0.1).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


def test_schedules():
    temperature = {"start": 0.04, "end": 0.07, "warmup": 0.2}
    assert [round(teacher_temperature(temperature, e, 100), 6) for e in (0, 10, 20, 60)] == [0.04, 0.055, 0.07, 0.07]
    assert teacher_momentum(0.996, 0.0) == pytest.approx(0.996)
    assert teacher_momentum(0.996, 0.5) == pytest.approx(0.998)
    assert teacher_momentum(0.996, 1.0) == pytest.approx(1.0)


def test_moving_average():
    teacher, student = [torch.ones(3)], [torch.zeros(3)]
    ema_update(teacher, student, 0.9)
    torch.testing.assert_close(teacher[0], torch.full((3,), 0.9))


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


def test_collapse_is_named_with_its_remedy():
    fine = {"teacher_entropy": 2.0, "batch_entropy": 3.3, "embedding_std": 1.0}
    assert collapse(fine, 512, 32) is None
    assert "teacher_temperature" in collapse({**fine, "teacher_entropy": math.log(512)}, 512, 32)
    assert "centre_momentum" in collapse({**fine, "batch_entropy": 1.6}, 512, 32)  # as measured with a centre at rest
    assert collapse({**fine, "batch_entropy": 1.6}, 8, 32) is None
    assert "alike" in collapse({**fine, "embedding_std": 0.01}, 512, 32)
