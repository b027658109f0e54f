"""DINO's loss against a slow literal one, and its schedules."""

import math

import pytest
import torch

from dlglc.dino.loss import (
    cosine_consistency,
    dino_loss,
    ema_update,
    teacher_momentum,
    teacher_probabilities,
    teacher_temperature,
)
from dlglc.settings.schema import TemperatureSettings


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
    temperature = TemperatureSettings(start=0.04, end=0.07, warmup=0.2)
    assert [round(teacher_temperature(temperature, e, 100), 6) for e in (0, 10, 20, 60)] == [0.04, 0.055, 0.07, 0.07]
    assert teacher_momentum(0.996, 0.0) == pytest.approx(0.996)
    assert teacher_momentum(0.996, 0.5) == pytest.approx(0.998)
    assert teacher_momentum(0.996, 1.0) == pytest.approx(1.0)


def test_moving_average():
    teacher, student = [torch.ones(3)], [torch.zeros(3)]
    ema_update(teacher, student, 0.9)
    torch.testing.assert_close(teacher[0], torch.full((3,), 0.9))


def test_a_run_without_warm_up_has_the_last_temperature_from_the_start():
    settings = TemperatureSettings(start=0.04, end=0.07, warmup=0.0)
    assert [teacher_temperature(settings, e, 10) for e in (0.001, 5, 10)] == pytest.approx([0.07] * 3)


def test_a_uniform_student_has_the_entropy_of_its_outputs():
    teacher = teacher_probabilities(draw(2, 5, 11), torch.zeros(11), 0.04)
    assert dino_loss(torch.zeros(4, 5, 11), teacher.float(), 0.1).item() == pytest.approx(math.log(11), rel=1e-5)
