"""ECAPA-TDNN against the layer-by-layer form of the public toolkits, on the same weights."""

import pytest
import torch
from layers import layer_by_layer
from torch import nn

from dlglc.encoders.ecapa_tdnn import EcapaTdnn, Res2Conv, convolve, convolve_by_products

NARROW = {"channels": 16, "embedding_dim": 12, "aggregate": 24, "scale": 4, "attention": 8}


@pytest.mark.parametrize("options", [NARROW, {**NARROW, "stride": 2, "aggregate": 0}, {**NARROW, "scale": 8}])
@pytest.mark.parametrize("training", [True, False])
def test_outputs_gradients_and_running_statistics(options, training):
    torch.manual_seed(0)
    model = EcapaTdnn(10, **options).double().train(training)
    feats = torch.randn(5, 37, 10, dtype=torch.float64)
    target = torch.randn(5, 12, dtype=torch.float64)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = {}
    for name, forward in (("ours", EcapaTdnn.forward), ("reference", layer_by_layer)):
        model.load_state_dict(before)
        model.zero_grad()
        output = forward(model, feats)
        (output * target).sum().backward()
        gradients = {n: p.grad.clone() for n, p in model.named_parameters()}
        found[name] = {"output": output.detach(), **gradients, **{n: b.clone() for n, b in model.named_buffers()}}
    torch.testing.assert_close(found["ours"], found["reference"], rtol=1e-9, atol=1e-9)


def test_float32_embeddings_agree():
    torch.manual_seed(1)
    model = EcapaTdnn(20, 32, 16, 0, 8, 16).eval()
    feats = 3 * torch.randn(4, 50, 20)
    torch.testing.assert_close(model(feats), layer_by_layer(model, feats), rtol=1e-4, atol=1e-5)


def test_an_utterance_does_not_depend_on_its_batch():
    torch.manual_seed(2)
    model = EcapaTdnn(20, 32, 16, 0, 8, 16).eval()
    feats = torch.randn(4, 50, 20)
    torch.testing.assert_close(model(feats)[:1], model(feats[:1]), rtol=1e-4, atol=1e-5)


def test_the_ends_can_be_padded_by_reflection():
    torch.manual_seed(3)
    x = torch.randn(2, 30, 8)
    for padding in (1, 4):
        theirs = torch.nn.Conv1d(8, 5, 3, dilation=padding, padding=padding, padding_mode="reflect")
        expected = theirs(x.transpose(1, 2)).transpose(1, 2)
        torch.testing.assert_close(convolve(theirs, x, reflect=True), expected, rtol=1e-4, atol=1e-5)


def test_the_form_of_speechbrain_has_two_more_norms():
    plain, other = (EcapaTdnn(20, 16, 12, 24, 4, 8, speechbrain=flag) for flag in (False, True))
    more = {name.rpartition(".")[0] for name in other.state_dict().keys() - plain.state_dict().keys()}
    assert more == {"aggregate.2", "pool.norm.1"}
    output = other(torch.randn(3, 40, 20))
    output.sum().backward()
    assert all(p.grad is not None for p in other.parameters())


@pytest.mark.parametrize("reflect", [False, True])
@pytest.mark.parametrize(("kernel", "dilation", "stride"), [(1, 1, 1), (3, 2, 1), (3, 4, 1), (5, 1, 1), (5, 1, 2)])
def test_convolution_as_a_product(kernel, dilation, stride, reflect):
    """The form for whole utterances on a GPU."""
    conv = nn.Conv1d(6, 10, kernel, stride, dilation * (kernel - 1) // 2, dilation).double()
    x = torch.randn(2, 23, 6, dtype=torch.float64)
    torch.testing.assert_close(convolve_by_products(conv, x, reflect), convolve(conv, x, reflect))


def test_batch_norm_gets_gradients_without_gaps():
    """A slice of the gradient of a cat made batch norm's backward pass on an H100 15 % of a step of DINO."""
    block, strides = Res2Conv(32, 3, 2, 4), []
    for conv in block.convs:
        conv[2].register_full_backward_hook(lambda _, inputs, outputs: strides.append(outputs[0].stride()))
    block(torch.randn(2, 20, 32, requires_grad=True)).square().sum().backward()
    assert strides == [(8, 1)] * 3
