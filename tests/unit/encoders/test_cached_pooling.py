"""Statistics of a training on a CPU beside the plain ones, in any pieces."""

import pytest
import torch

from dlglc.encoders import cached_pooling, pooling
from dlglc.encoders.ecapa_tdnn import EcapaTdnn

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 1e-2}  # of the largest value


def with_gradients(form, arguments, weights):
    output = form(*arguments)
    return output.detach(), *torch.autograd.grad((output * weights).sum(), arguments)


@pytest.mark.parametrize("piece", [1, 2 * 17 * 12, 1 << 18])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 1e-2)]
)
def test_values_and_gradients_are_those_of_the_plain_forms(dtype, tolerance, piece, monkeypatch):
    monkeypatch.setattr(cached_pooling, "PIECE", piece)
    torch.manual_seed(0)
    logits, x = ((2 * torch.randn(5, 17, 12) + 1).to(dtype).requires_grad_() for _ in "ab")
    with torch.no_grad():
        x[0] = 0.0  # no deviation: its gradient is cut off
    weights = torch.randn(5, 24, dtype=torch.promote_types(dtype, torch.float32))
    for name, arguments in (("plain_statistics", (x,)), ("weighted_statistics", (logits, x))):
        forms = getattr(cached_pooling, name), getattr(pooling, name)
        for found, expected in zip(*(with_gradients(form, arguments, weights) for form in forms)):
            assert found.dtype == expected.dtype
            assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def test_a_training_on_a_cpu_uses_them_and_an_evaluation_does_not(monkeypatch):
    called = []
    form = cached_pooling.weighted_statistics
    monkeypatch.setattr(cached_pooling, "weighted_statistics", lambda *args: called.append(1) or form(*args))
    encoder, feats = EcapaTdnn(20, 16, 8, 0, 4, 8), torch.randn(3, 20, 20)
    encoder.eval()(feats)
    assert not called
    encoder.train()(feats)
    assert called
