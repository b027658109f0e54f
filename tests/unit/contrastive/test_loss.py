"""NT-Xent beside its formula written out slowly, and what its signs of health say."""

import math

import pytest
import torch

from dlglc.contrastive.loss import contrastive_health, contrastive_loss


@pytest.fixture
def embeddings():
    return torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def cosine(a, b):
    return float((a @ b) / (a.norm() * b.norm()))


def slow_loss(embeddings, temperature):
    """Equation 1 of SimCLR, crop by crop."""
    crops = list(embeddings[0]) + list(embeddings[1])
    size = len(embeddings[0])
    losses = []
    for i, crop in enumerate(crops):
        others = [math.exp(cosine(crop, other) / temperature) for k, other in enumerate(crops) if k != i]
        partner = math.exp(cosine(crop, crops[(i + size) % (2 * size)]) / temperature)
        losses.append(-math.log(partner / sum(others)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_the_loss_is_the_published_formula(embeddings, temperature):
    assert float(contrastive_loss(embeddings, temperature)) == pytest.approx(
        slow_loss(embeddings, temperature), rel=1e-5
    )


def test_lengths_do_not_matter_and_equal_embeddings_give_the_uniform_loss(embeddings):
    lengths = torch.rand(2, 5, 1, generator=torch.Generator().manual_seed(1)) + 0.5
    torch.testing.assert_close(contrastive_loss(embeddings * lengths, 0.1), contrastive_loss(embeddings, 0.1))
    same = torch.ones(2, 5, 7)
    assert float(contrastive_loss(same, 0.1)) == pytest.approx(math.log(9))


def test_a_step_against_the_gradient_brings_the_crops_of_an_utterance_together(embeddings):
    moved = embeddings.clone().requires_grad_()
    contrastive_loss(moved, 0.1).backward()
    after = embeddings - 0.5 * moved.grad
    assert contrastive_loss(after, 0.1) < contrastive_loss(embeddings, 0.1)
    assert contrastive_health(after)["positive"] > contrastive_health(embeddings)["positive"]


def test_health_is_what_it_says(embeddings):
    found = contrastive_health(embeddings)
    crops = list(embeddings[0]) + list(embeddings[1])
    table = {(i, k): cosine(crops[i], crops[k]) for i in range(10) for k in range(10) if i != k}
    positive = [value for (i, k), value in table.items() if (i - k) % 5 == 0]
    negative = [value for (i, k), value in table.items() if (i - k) % 5]
    nearest = [max((k for k in range(10) if k != i), key=lambda k: table[i, k]) for i in range(10)]
    assert float(found["positive"]) == pytest.approx(sum(positive) / len(positive), abs=1e-5)
    assert float(found["negative"]) == pytest.approx(sum(negative) / len(negative), abs=1e-5)
    assert float(found["found"]) == pytest.approx(sum((i - k) % 5 == 0 for i, k in enumerate(nearest)) / 10)
    twins = contrastive_health(embeddings[:1].expand(2, -1, -1))
    assert float(twins["found"]) == 1 and float(twins["positive"]) == pytest.approx(1)
