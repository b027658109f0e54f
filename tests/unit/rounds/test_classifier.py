"""AAM-softmax against its formula and a finite-difference gradient."""

import math

import pytest
import torch

from dlglc.rounds.classifier import AamSoftmax, aam_losses


def test_aam_against_the_formula_in_angles():
    generator = torch.Generator().manual_seed(0)
    cosines = torch.rand(6, 9, generator=generator, dtype=torch.float64) * 1.6 - 0.8
    labels = torch.randint(9, (6,), generator=generator)
    losses = aam_losses(cosines, labels, 32.0, 0.2)
    for i, y in enumerate(labels.tolist()):
        theta = [math.acos(c) for c in cosines[i].tolist()]
        target = math.exp(32 * math.cos(theta[y] + 0.2))
        rest = sum(math.exp(32 * math.cos(t)) for j, t in enumerate(theta) if j != y)
        assert losses[i].item() == pytest.approx(-math.log(target / (target + rest)), rel=1e-9)


def test_aam_gradient_by_finite_differences():
    generator = torch.Generator().manual_seed(1)
    cosines = (torch.rand(4, 5, generator=generator, dtype=torch.float64) * 1.6 - 0.8).requires_grad_()
    labels = torch.tensor([0, 4, 2, 2])
    assert torch.autograd.gradcheck(lambda c: aam_losses(c, labels, 8.0, 0.3).sum(), [cosines])


def test_aam_target_falls_monotonically_to_the_opposite_direction():
    angles = torch.linspace(0, math.pi, 200, dtype=torch.float64)
    cosines = torch.stack([angles.cos(), torch.zeros_like(angles)], dim=1)
    losses = aam_losses(cosines, torch.zeros(200, dtype=torch.long), 4.0, 0.5)
    assert (losses.diff() > 0).all()


def test_no_margin_is_cross_entropy():
    cosines = torch.rand(3, 4)
    labels = torch.tensor([1, 0, 3])
    expected = torch.nn.functional.cross_entropy(30 * cosines, labels, reduction="none")
    torch.testing.assert_close(aam_losses(cosines, labels, 30.0, 0.0), expected)


def test_classifier_gives_cosines():
    head = AamSoftmax(8, 5, 32.0)
    x = torch.randn(3, 8)
    expected = torch.cosine_similarity(x[:, None], head.weight[None], dim=-1)
    torch.testing.assert_close(head(x), expected)


def test_cosines_stay_in_single_precision_under_autocast():
    head = AamSoftmax(8, 5, 32.0)
    x = torch.randn(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        found = head(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, head(x))
