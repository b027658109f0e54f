"""conf/dino.yaml: settings that cancel each other, and that the edges of the ranges still work."""

import pytest
import torch

from dlglc.encoders import ENCODERS, build_encoder
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings
from support.settings import refusal


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("long_crops=1 short_crops=0", "short_crops: teacher and student would see the same one crop"),
        ("short_seconds=3.1", "short_seconds: short crops would be longer (3.1 s) than long ones (3 s, long_seconds)"),
        ("long_seconds=1", "--set long_seconds=1: short_seconds: short crops would be longer"),
        ("freeze_last_epochs=150", "freeze_last_epochs: the prototypes would never be trained (epochs: 150)"),
        ("keep_every=151", "keep_every: a run of 150 epochs would keep no teacher"),
        ("stage1=contrastive contrastive.epochs=19", "contrastive.epochs: the rate would still be rising"),
        (
            "stage1=contrastive+dino contrastive.batch_size=4 accumulate=3",
            "contrastive.batch_size: accumulate: 3 parts",
        ),
        ("encoder.channels=100", "encoder.channels: 100 is not a multiple of scale 8"),
        ("encoder.scale=7", "--set encoder.scale=7: encoder.channels: 512 is not a multiple of scale 7"),
        ("encoder.name=resnet34", "--set encoder.name=resnet34: encoder.channels: 512 is too wide for resnet34"),
        ("encoder.name=campplus encoder.channels=33", "encoder.channels: 33 is odd"),
    ],
)
def test_settings_that_cancel_each_other_are_refused(words, part):
    assert part in refusal(DinoSettings, words.split())


def test_what_is_just_within_the_limits_is_taken():
    words = ["long_crops=1", "short_crops=1", "short_seconds=3", "freeze_last_epochs=149", "keep_every=150"]
    load_settings(DinoSettings, None, [*words, "encoder.name=resnet34", "encoder.channels=128"])
    load_settings(DinoSettings, None, ["stage1=contrastive", "contrastive.epochs=20"])
    load_settings(DinoSettings, None, ["contrastive.epochs=1"])  # of no effect with stage1: dino
    load_settings(DinoSettings, None, ["short_crops=0", "long_seconds=1"])


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("frames", [2, 5])
def test_the_narrowest_encoder_takes_the_shortest_crop(name, frames):
    words = [f"encoder.name={name}", "encoder.channels=2", "encoder.scale=2", "encoder.stride=8", "encoder.attention=1"]
    words += ["encoder.embedding_dim=1", "encoder.aggregate=1", "encoder.base_width=64"]
    encoder = build_encoder(load_settings(DinoSettings, None, words).encoder, num_mel_bins=1)
    assert torch.isfinite(encoder(torch.randn(3, frames, 1))).all()
