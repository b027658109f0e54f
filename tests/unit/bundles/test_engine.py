"""The networks of a bundle: speech is found as Silero's own package finds it."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from dlglc.bundles.container import SPEECH, read_bundle
from dlglc.bundles.engine import EncoderEngine, SpeechDetector
from dlglc.bundles.export import torch_embedding
from dlglc.encoders.models import load_model
from dlglc.errors import RecipeError
from faults import read_commands
from support.scripts import environment


@pytest.fixture(scope="module")
def detector(bundles):
    return SpeechDetector(read_bundle(bundles.unlabelled).parts[SPEECH])


@pytest.mark.parametrize("count", [0, 100, 512, 16000, 300_001])
def test_probabilities_are_those_of_the_package(detector, speech, count):
    from silero_vad import load_silero_vad

    samples = np.resize(soundfile.read(speech[0][0], dtype="float32")[0], count)
    expected = load_silero_vad(sequence=True).audio_forward(samples)
    found = detector.audio_forward(samples)
    assert found.shape == expected.shape == (-(-count // 512),)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_encoder_is_that_of_the_weights(bundles):
    engine = EncoderEngine(read_bundle(bundles.unlabelled).parts["model.onnx"])
    waveform = soundfile.read(bundles.speech[0][0], dtype="float32")[0]
    expected = torch_embedding(load_model(bundles.system / "model.pt"), waveform)
    np.testing.assert_allclose(engine.embed(waveform[None])[0], expected, atol=1e-3 * np.abs(expected).max())


def test_onnxruntime_leaves_nothing_behind_and_reports_nothing(bundles, tmp_path):
    """Without the variable of bundles/__init__.py it writes .ses, and a device number below ~/.cache."""
    program = f"import dlglc; dlglc.load({str(bundles.unlabelled)!r}).embed({str(bundles.speech[0][0])!r})"
    folders = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    given = {name: value for name, value in environment(**folders).items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", program], env=given, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_a_network_that_is_none_or_gives_something_else_is_named():
    figures = read_commands.network()
    waveform = np.zeros((2, 900), np.float32)
    assert EncoderEngine(figures, "x", 4).embed(waveform).shape == (2, 4)
    with pytest.raises(RecipeError, match="x: not a network of this recipe: it gives something else than 2 x 5"):
        EncoderEngine(figures, "x", 5).embed(waveform)
    with pytest.raises(RecipeError, match="x: not a network of this recipe"):
        EncoderEngine(b"no network", "x")
    with pytest.raises(RecipeError, match="x: not a network of this recipe"):
        SpeechDetector(figures, "x").audio_forward(np.zeros(900, np.float32))
    with pytest.raises(RecipeError, match="something else than 2 x 4 finite numbers"):
        EncoderEngine(figures, "x", 4).embed(waveform + np.nan)
