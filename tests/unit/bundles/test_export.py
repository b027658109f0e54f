"""ONNX networks of every encoder compute what torch computes, for any length and number of waveforms."""

import numpy as np
import onnx
import pytest
import soundfile
import torch

from dlglc.bundles.engine import EncoderEngine
from dlglc.bundles.export import export_onnx, torch_embedding
from dlglc.bundles.variants import half_weights, int8_weights
from dlglc.data.fbank import Fbank
from dlglc.encoders import ENCODERS, build_encoder
from dlglc.encoders.models import Model
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, FbankSettings

pytestmark = pytest.mark.slow
CHANNELS = {"ecapa_tdnn": 16, "resnet34": 4, "campplus": 16}


@pytest.fixture(scope="module", params=ENCODERS)
def exported(request):
    """A small model with batch norms as after a training, and its network."""
    torch.manual_seed(0)
    words = [
        f"encoder.name={request.param}",
        f"encoder.channels={CHANNELS.get(request.param, 16)}",
        "encoder.embedding_dim=12",
    ]
    settings = load_settings(DinoSettings, None, words).encoder
    fbank_settings = load_settings(FbankSettings)
    encoder = build_encoder(settings, 80)
    for module in encoder.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    model = Model(encoder.eval(), Fbank(fbank_settings), settings, fbank_settings, "wav")
    return model, export_onnx(model)


@pytest.fixture(scope="module")
def waveforms(speech):
    """Real speech of several lengths."""
    found = [soundfile.read(paths[0], dtype="float32")[0] for paths in speech[:3]]
    return [found[0], found[1], found[2][:8000], found[0][:3201]]


def distance(a, b):
    return 1 - float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_any_length(exported, waveforms):
    model, network = exported
    engine = EncoderEngine(network)
    for waveform in waveforms:
        ours, theirs = engine.embed(waveform[None])[0], torch_embedding(model, waveform)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3 * np.abs(theirs).max())
        assert distance(ours, theirs) < 1e-5


def test_any_number(exported, waveforms):
    engine = EncoderEngine(exported[1])
    batch = np.stack([waveform[:3201] for waveform in waveforms] * 2)
    alone = np.concatenate([engine.embed(waveform[None]) for waveform in batch])
    np.testing.assert_allclose(engine.embed(batch), alone, rtol=0, atol=1e-3 * np.abs(alone).max())


def test_fewer_bits_are_smaller_and_near(exported, waveforms):
    _, network = exported
    half, int8 = half_weights(network), int8_weights(network)
    assert len(int8) < len(half) < len(network)
    for variant, most in ((half, 1e-4), (int8, 0.2)):
        onnx.checker.check_model(onnx.load_from_string(variant))
        engine = EncoderEngine(variant)
        for waveform in waveforms[:2]:
            assert distance(engine.embed(waveform[None])[0], EncoderEngine(network).embed(waveform[None])[0]) < most
