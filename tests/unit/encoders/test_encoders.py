"""All encoders: sizes as published, gradients everywhere, short utterances, batches, half precision."""

import pytest
import torch

from dlglc.encoders import ENCODERS, build_encoder
from dlglc.encoders.campplus import SEGMENT, MaskedConv
from dlglc.encoders.resnet34 import statistics
from dlglc.errors import RecipeError

SMALL = {"ecapa_tdnn": 16, "resnet34": 4, "campplus": 16}


def small(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_encoder({"name": name, "channels": SMALL[name], "embedding_dim": 12, "scale": 4}, 80)


@pytest.mark.parametrize(
    ("variant", "millions"),
    # WeSpeaker's README, 80 energies: ECAPA_TDNN_GLOB_c512 6.19, c1024 14.65, ResNet34 6.63, CAM++ 7.18
    [("", 6.19), ("ecapa1024", 14.65), ("resnet34", 6.63), ("campplus", 7.18)],
)
def test_parameters_are_as_many_as_published(root, variant, millions):
    config = load_config("dino", root / "conf/voxceleb" / variant / "dino.yaml")["encoder"]
    encoder = build_encoder(config, 80)
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, abs=0.008)
    assert encoder.embedding_dim == config["embedding_dim"]


@pytest.mark.parametrize("name", ENCODERS)
def test_gradients_reach_every_parameter(name):
    model = small(name)
    output = model(torch.randn(3, 130, 80))
    assert output.shape == (3, 12)
    (output * torch.randn(3, 12)).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@pytest.mark.parametrize("name", ENCODERS)
def test_an_utterance_does_not_depend_on_its_batch_and_may_be_short(name):
    model = small(name).eval()
    feats = torch.randn(4, 230, 80)
    torch.testing.assert_close(model(feats)[1:2], model(feats[1:2]), rtol=1e-4, atol=1e-5)
    assert model(feats[:, :1]).isfinite().all()
    assert model(torch.zeros(1, 50, 80)).isfinite().all()


@pytest.mark.parametrize("name", ENCODERS)
def test_half_precision_is_near(name):
    model = small(name).eval()
    feats = torch.randn(4, 150, 80)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(feats)
    torch.testing.assert_close(half.float(), model(feats), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(("name", "channels"), [("resnet34", 512), ("campplus", 15), ("ecapa_tdnn", 20)])
def test_channels_meant_for_another_encoder_are_refused(name, channels):
    with pytest.raises(RecipeError, match=f"encoder.channels {channels}"):
        build_encoder({"name": name, "channels": channels, "embedding_dim": 8, "scale": 8}, 80)
