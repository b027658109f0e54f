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


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_statistics_are_unbiased_and_of_one_frame_finite(dtype):
    torch.manual_seed(0)
    x = (10 + torch.randn(2, 3, 9)).to(dtype)
    found = statistics(x)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(found, torch.cat([x.to(found.dtype).mean(-1), x.to(found.dtype).std(-1)], 1))
    one = x[..., :1].requires_grad_()
    statistics(one).sum().backward()
    assert (statistics(one)[:, 3:] < 1e-3).all()
    assert one.grad.isfinite().all()


def test_masks_of_campplus_frame_by_frame():
    """The mask of a frame is made of the means of its utterance and of its segment (section 2.2)."""
    torch.manual_seed(0)
    layer = MaskedConv(8, 3, 2).double()
    x = torch.randn(2, 8, 2 * SEGMENT + 30, dtype=torch.float64)
    output, plain = layer(x), layer.conv(x)
    for t in (0, SEGMENT - 1, SEGMENT, 2 * SEGMENT + 29):
        first = t // SEGMENT * SEGMENT
        context = x.mean(-1) + x[..., first : first + SEGMENT].mean(-1)
        hidden = (context @ layer.down.weight.squeeze(-1).T + layer.down.bias).relu()
        mask = (hidden @ layer.up.weight.squeeze(-1).T + layer.up.bias).sigmoid()
        torch.testing.assert_close(output[..., t], plain[..., t] * mask)


@pytest.mark.parametrize(("name", "channels"), [("resnet34", 512), ("campplus", 15), ("ecapa_tdnn", 20)])
def test_channels_meant_for_another_encoder_are_refused(name, channels):
    with pytest.raises(RecipeError, match=f"encoder.channels {channels}"):
        build_encoder({"name": name, "channels": channels, "embedding_dim": 8, "scale": 8}, 80)
