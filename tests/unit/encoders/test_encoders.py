"""All encoders: sizes as published, gradients everywhere, short utterances, batches, half precision."""

import pytest
import torch

from dlglc.encoders import ENCODERS, build_encoder
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings

SMALL = {
    "ecapa_tdnn": 16,
    "resnet34": 4,
    "campplus": 16,
    "resnet221": 2,
    "resnet293": 2,
    "eres2net": 4,
    "eres2netv2": 4,
}


def encoder_settings(*words, path=None):
    """The section `encoder` of conf/dino.yaml with changes."""
    return load_settings(DinoSettings, path, [f"encoder.{word}" for word in words]).encoder


def small(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_encoder(encoder_settings(f"name={name}", f"channels={SMALL[name]}", "embedding_dim=12", "scale=4"), 80)


@pytest.mark.parametrize(
    ("variant", "millions"),
    # WeSpeaker's README, 80 energies: ECAPA_TDNN_GLOB_c512 6.19, c1024 14.65, ResNet34 6.63, CAM++ 7.18
    [("", 6.19), ("ecapa1024", 14.65), ("resnet34", 6.63), ("campplus", 7.18)],
)
def test_parameters_are_as_many_as_published(root, variant, millions):
    settings = encoder_settings(path=root / "conf/voxceleb" / variant / "dino.yaml")
    encoder = build_encoder(settings, 80)
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, abs=0.008)
    assert encoder.embedding_dim == settings.embedding_dim


@pytest.mark.parametrize(
    ("words", "millions"),
    # WeSpeaker's README: ResNet221 23.79, ResNet293 28.62. Comments in 3D-Speaker's code: ERes2Net 6.61, V2 17.86.
    [
        ("name=resnet221 channels=32 embedding_dim=256", 23.79),
        ("name=resnet293 channels=32 embedding_dim=256", 28.62),
        ("name=eres2net channels=32 base_width=32 scale=2", 6.61),
        ("name=eres2netv2 channels=64 base_width=26 scale=2", 17.86),
    ],
)
def test_import_families_have_as_many_parameters_as_published(words, millions):
    encoder = build_encoder(encoder_settings(*words.split()), 80)
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, abs=0.008)


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


@pytest.mark.parametrize(
    ("name", "channels"),
    [("resnet34", 512), ("campplus", 15), ("ecapa_tdnn", 20), ("resnet221", 129), ("eres2net", 129), ("eres2netv2", 2)],
)
def test_channels_meant_for_another_encoder_are_refused(name, channels):
    with pytest.raises(RecipeError, match=rf"encoder\.channels: .*{channels}"):
        encoder_settings(f"name={name}", f"channels={channels}", "embedding_dim=8", "scale=8")


def test_an_encoder_takes_the_keys_that_it_knows():
    wide = build_encoder(encoder_settings("channels=16", "scale=4", "aggregate=40", "attention=8", "stride=2"), 80)
    assert wide.embedding_dim == 192
    assert wide.embedding.in_features == 80
    assert wide(torch.randn(2, 30, 80)).shape == (2, 192)
    other = build_encoder(encoder_settings("name=resnet34", "channels=2", "aggregate=40"), 40)
    assert other(torch.randn(2, 30, 40)).shape == (2, 192)
