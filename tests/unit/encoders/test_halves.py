"""An encoder in two halves gives what the whole gives, for every kind of encoder and place of the cut."""

import pytest
import torch

from dlglc.encoders import ENCODERS, build_encoder
from dlglc.encoders.halves import Halves, LastParts
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings

DEPTHS = ("resnet34", "resnet221", "resnet293")
CHANNELS = {"ecapa_tdnn": 16, "campplus": 16, "eres2net": 4, "eres2netv2": 4, **dict.fromkeys(DEPTHS, 2)}
PARTS = {"ecapa_tdnn": 3}  # others have 5
STRIDES = {"ecapa_tdnn": [1, 1], "campplus": [1, 2, 2, 2]}  # others have 1, 2, 4, 8


def encoder(name):
    torch.manual_seed(0)
    words = [f"encoder.name={name}", f"encoder.channels={CHANNELS[name]}", "encoder.embedding_dim=12"]
    return build_encoder(load_settings(DinoSettings, None, words).encoder, 80).eval()


@pytest.mark.parametrize("name", ENCODERS)
@torch.no_grad()
def test_both_halves_give_what_the_whole_gives(name):
    whole, feats = encoder(name), torch.randn(2, 230, 80)
    strides = []
    for trained in range(PARTS.get(name, 5) - 1, 0, -1):
        halves = Halves(whole, 80, trained)
        frames = halves.frames(feats)
        assert frames.shape == (2, -(-230 // halves.stride), torch.Size(halves.shape).numel())
        torch.testing.assert_close(LastParts(halves).eval()(frames), whole(feats), rtol=1e-4, atol=1e-5)
        strides.append(halves.stride)
    assert strides == STRIDES.get(name, [1, 2, 4, 8])


@pytest.mark.parametrize("name", ENCODERS)
def test_every_parameter_is_in_one_part(name):
    whole = encoder(name)
    found = [p for part in whole.parts() for module in part.modules for p in module.parameters()]
    assert sorted(map(id, found)) == sorted(map(id, whole.parameters()))


def test_the_last_parts_are_those_of_the_encoder():
    whole = encoder("campplus")
    last = LastParts(Halves(whole, 80, 1))
    assert {id(p) for p in last.parameters()} == {id(whole.embedding.weight)}


@pytest.mark.parametrize("trained", [0, 5, 7])
def test_a_cut_that_leaves_nothing_frozen_is_named(trained):
    with pytest.raises(
        RecipeError, match=rf"adapt\.trained_parts: {trained}, and this encoder has 5 parts: give 1 to 4"
    ):
        Halves(encoder("campplus"), 80, trained)
