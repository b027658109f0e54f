"""ECAPA-TDNN against the layer-by-layer form of the public toolkits, on the same weights."""

import pytest
import torch
from layers import layer_by_layer

from dlglc.encoders.ecapa_tdnn import EcapaTdnn

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
