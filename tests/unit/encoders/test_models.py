"""model.pt: an encoder there and back with its features, and what is said of files of others."""

import pytest
import torch

from dlglc.encoders import build_encoder
from dlglc.encoders.models import load_model, save_model, warm_start
from dlglc.errors import RecipeError
from dlglc.files import load_tensors, save_tensors
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, FbankSettings

SMALL = ["encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=6"]
ENCODER = load_settings(DinoSettings, None, SMALL).encoder
FBANK = load_settings(FbankSettings, None, ["num_mel_bins=40", "window=hamming"])


@pytest.fixture
def model(tmp_path):
    """The encoder that was saved, and its file."""
    torch.manual_seed(0)
    encoder = build_encoder(ENCODER, 40)
    encoder(torch.randn(4, 30, 40))  # its statistics are no longer the initial ones
    save_model(tmp_path / "model.pt", ENCODER, FBANK, encoder.state_dict(), "feats")
    return encoder, tmp_path / "model.pt"


def test_there_and_back(model):
    encoder, path = model
    found = load_model(path)
    assert (found.encoder_settings, found.fbank_settings, found.input) == (ENCODER, FBANK, "feats")
    assert not found.encoder.training
    assert (found.fbank.num_mel_bins, found.fbank.shift) == (40, 160)
    feats = torch.randn(3, 25, 40)
    torch.testing.assert_close(found.encoder(feats), encoder.eval()(feats))


@pytest.mark.parametrize("missing", ["encoder", "fbank", "input", "state"])
def test_a_model_of_another_recipe_is_named(model, missing):
    contents = load_tensors(model[1])
    del contents[missing]
    save_tensors(contents, model[1])
    with pytest.raises(RecipeError, match=rf"model\.pt: not a model\.pt of this recipe: .*lacks {missing}"):
        load_model(model[1])


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("encoder", "name", "xvector", "name.*'xvector'"),
        ("encoder", "channels", 0, "channels"),
        ("encoder", "depth", 3, "depth"),
        ("fbank", "window", "hann", "window.*'hann'"),
        ("fbank", "low_freq", 9000.0, "low_freq"),
    ],
)
def test_settings_that_nobody_knows_are_named(model, section, key, value, words):
    contents = load_tensors(model[1])
    contents[section][key] = value
    save_tensors(contents, model[1])
    with pytest.raises(RecipeError, match=rf"model\.pt: (.|\n)*{words}"):
        load_model(model[1])


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"model\.pt: no such model"):
        load_model(tmp_path / "model.pt")


def test_a_model_of_version_0_2_takes_int16_samples(model):
    contents = load_tensors(model[1])
    del contents["fbank"]["full_scale"], contents["encoder"]["speechbrain"]
    save_tensors(contents, model[1])
    found = load_model(model[1])
    assert (found.fbank_settings, found.encoder_settings) == (FBANK, ENCODER)


def test_a_warm_start_takes_the_weights_of_the_same_encoder_only(model):
    trained, path = model
    student = build_encoder(ENCODER, 40)
    warm_start(student, path, ENCODER, FBANK)
    for name, value in trained.state_dict().items():
        assert torch.equal(value, student.state_dict()[name])
    wider = load_settings(DinoSettings, None, [*SMALL, "encoder.channels=4"]).encoder
    with pytest.raises(RecipeError, match=r"model\.pt: .*encoder.* has channels 2, here 4"):
        warm_start(build_encoder(wider, 40), path, wider, FBANK)
    other = load_settings(FbankSettings, None, ["num_mel_bins=40", "low_freq=40"])
    with pytest.raises(RecipeError, match=r"model\.pt: .*fbank.* has low_freq 20\.0, here 40\.0"):
        warm_start(student, path, ENCODER, other)
