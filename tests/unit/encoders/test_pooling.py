"""Statistics over time: the fused forms beside the plain ones, and what is used where nothing can be compiled."""

import pytest
import torch

from dlglc.encoders import pooling
from dlglc.encoders.ecapa_tdnn import EcapaTdnn
from dlglc.encoders.pooling import (
    FusedMoments,
    fused_statistics,
    mean_and_deviation,
    moment_gradients,
    moments,
    plain_statistics,
    weighted_statistics,
)


@pytest.fixture(autouse=True)
def fresh():
    """No test uses what another one has compiled."""
    fused_statistics.cache_clear()
    yield
    fused_statistics.cache_clear()


def inputs(dtype, batch=3, frames=17, channels=12):
    """Logits and activations, both with a mean; and weights of the (B, 2 C) output."""
    generator = torch.Generator().manual_seed(batch * frames)
    logits, x = (2 * torch.randn(batch, frames, channels, generator=generator, dtype=torch.float64) + 1 for _ in "ab")
    weights = torch.randn(batch, 2 * channels, generator=generator, dtype=torch.float64)
    return logits.to(dtype).requires_grad_(), x.to(dtype).requires_grad_(), weights


def with_gradients(form, arguments, weights):
    output = form(*arguments)
    return output.detach(), *torch.autograd.grad((output * weights).sum(), arguments)


def one_pass(logits, x):
    """The fused form with its parts as they are written, not compiled."""
    return mean_and_deviation(*FusedMoments.apply(logits, x, moments, moment_gradients))


def test_the_gradients_of_one_pass_are_those_of_autograd():
    logits, x, weights = inputs(torch.float64)
    with torch.no_grad():
        x[0] = 0.25  # no deviation: its gradient is cut off
    expected = with_gradients(weighted_statistics, (logits, x), weights)
    torch.testing.assert_close(with_gradients(one_pass, (logits, x), weights), expected, rtol=1e-10, atol=1e-12)


def test_statistics_by_their_formulas():
    logits, x, _ = inputs(torch.float64)
    weight = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
    mean = (weight * x).sum(1)
    deviation = (weight * (x - mean.unsqueeze(1)).square()).sum(1).sqrt()
    torch.testing.assert_close(weighted_statistics(logits, x), torch.cat([mean, deviation], 1))
    torch.testing.assert_close(plain_statistics(x), torch.cat([x.mean(1), x.std(1, correction=0)], 1))


def test_sums_of_half_precision_are_in_float32():
    logits, x, _ = inputs(torch.bfloat16, frames=300)
    for form, arguments in ((plain_statistics, (x,)), (weighted_statistics, (logits, x)), (one_pass, (logits, x))):
        found = form(*arguments)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, form(*(one.float() for one in arguments)), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_compiled_forms_give_the_same_for_any_shape(dtype, tolerance, caplog):
    """Tolerance relative to the largest value. Gradients of half-precision activations have half precision, too."""
    plain, weighted = fused_statistics("cpu", 12, dtype)
    if plain is plain_statistics:
        pytest.skip(f"no compiler here: {caplog.text}")
    for batch, frames in ((3, 17), (5, 30), (2, 41)):
        logits, x, weights = inputs(dtype, batch, frames)
        for fused, form, arguments in ((plain, plain_statistics, (x,)), (weighted, weighted_statistics, (logits, x))):
            found, expected = (with_gradients(one, arguments, weights) for one in (fused, form))
            for one, other in zip(found, expected):
                assert one.dtype == other.dtype
                assert (one - other).abs().max() <= tolerance * other.abs().max()


def breaks(_, options):
    def run(*_):
        raise RuntimeError("no compiler")

    return run


@pytest.mark.parametrize(
    ("compiler", "said"),
    [(breaks, "no compiler"), (lambda form, options: lambda first, *rest: form(1.01 * first, *rest), "differ")],
)
def test_where_nothing_can_be_compiled_the_plain_forms_are_used(compiler, said, monkeypatch, caplog):
    monkeypatch.setattr(torch, "compile", compiler)
    assert fused_statistics("cpu", 12, torch.float32) == (plain_statistics, weighted_statistics)
    for name in ("plain", "weighted"):
        assert f"attentive pooling, {name} statistics: torch.compile does not work here" in caplog.text
    assert said in caplog.text


def test_what_can_be_compiled_is_used(monkeypatch):
    """On an H100, Triton 3.6 could not compile one of the forms."""
    monkeypatch.setattr(torch, "compile", lambda form, options: breaks(form, options) if form is moments else form)
    plain, weighted = fused_statistics("cpu", 12, torch.float32)
    assert plain is not plain_statistics and weighted is weighted_statistics


def test_on_a_cpu_nothing_is_compiled(monkeypatch):
    def never(*_):
        raise AssertionError("a CPU is not quicker with compiled forms")

    monkeypatch.setattr(pooling, "fused_statistics", never)
    monkeypatch.setattr("dlglc.encoders.ecapa_tdnn.fused_statistics", never)
    for training in (True, False):
        EcapaTdnn(20, 16, 8, 0, 4, 8).train(training)(torch.randn(3, 20, 20))
