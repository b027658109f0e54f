"""A bundle in use: embeddings of files, samples and long recordings; scores and verdicts."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

import dlglc
from dlglc.bundles.decision import make_decision
from dlglc.bundles.scorer import Scorer
from dlglc.data.arks import read_embeddings
from dlglc.errors import RecipeError
from dlglc.front.listening import Recording
from support.audio_files import tones
from support.scripts import environment


@pytest.fixture(scope="module")
def model(bundles):
    return dlglc.load(bundles.labelled)


def test_embeddings_are_those_of_stage_4(bundles, model):
    matrix = read_embeddings(bundles.system / "train/embedding.scp")[1]
    for row, path in ((0, bundles.speech[0][0]), (3, bundles.speech[1][1])):
        np.testing.assert_allclose(model.embed(path), matrix[row], atol=1e-2 * np.abs(matrix).max())


def test_samples_of_another_rate(bundles, model):
    samples = soundfile.read(bundles.speech[0][0], dtype="float32")[0]
    expected = model.embed(samples)
    np.testing.assert_allclose(model.embed(str(bundles.speech[0][0])), expected, atol=1e-3 * np.abs(expected).max())
    wide = np.interp(np.arange(2 * len(samples)) / 2, np.arange(len(samples)), samples)
    again = model.embed(wide, 32000)
    assert again @ expected > 0.98 * np.linalg.norm(again) * np.linalg.norm(expected)


def test_a_long_recording_is_the_mean_of_its_windows(bundles, model):
    samples = np.resize(soundfile.read(bundles.speech[0][0], dtype="float32")[0], 16000 * 50)
    halves = [model.embed(samples[:400000]), model.embed(samples[400000:])]
    np.testing.assert_allclose(model.embed(samples), np.mean(halves, axis=0), atol=1e-4)
    pause = np.random.default_rng(0).normal(0, 1e-4, 16000 * 30).astype("f4")
    with_pause = np.concatenate([samples[:400000], pause[:400000]])
    np.testing.assert_allclose(model.embed(with_pause), halves[0], atol=1e-3 * np.abs(halves[0]).max())


def test_what_is_doubtful_is_said(bundles, model, tmp_path):
    samples, rate = soundfile.read(bundles.speech[0][0], dtype="float32")
    heard = model.hear(bundles.speech[0][0])
    assert heard.seconds == pytest.approx(len(samples) / rate)
    assert 0.3 < heard.speech <= heard.seconds
    noise = model.hear(np.random.default_rng(0).normal(0, 0.1, 32000).astype("f4"))
    assert noise.speech < 0.5 and "nothing to decide on" in noise.remarks[0]


def test_a_recording_is_of_its_own_speaker(bundles, model):
    a, b = bundles.speech[0][0], bundles.speech[1][0]
    same = model.verify([a], a, 0.1)
    assert same.verdict == "same" and same.score >= same.threshold
    other = model.verify([a], b, 0.1)
    assert other.score < same.score
    assert other.probability is None and model.decision.why_none  # the toy system knows too little
    assert model.verify([a, a], a, 0.1).score == pytest.approx(same.score, abs=1e-3)
    assert model.verify([a], np.random.default_rng(0).normal(0, 0.1, 32000).astype("f4"), 0.1).verdict == "undecided"
    with pytest.raises(RecipeError, match="choose one of these"):
        model.verify([a], b, 1e-9)


def test_without_labels_there_is_no_probability(bundles):
    model = dlglc.load(bundles.unlabelled)
    a = bundles.speech[0][0]
    found = model.verify([a], a, 0.1)
    assert found.probability is None and found.verdict == "same"
    assert model.decision.source == "cohort"


def test_use_needs_no_torch_and_a_score_no_scipy(bundles):
    """In a Python where what only training needs cannot be imported."""
    program = (
        "import sys; sys.modules.update(torch=None, pydantic=None, sklearn=None, scipy=None, kaldiio=None, yaml=None)\n"
        "import dlglc\n"
        "print(sorted({'numpy', 'onnxruntime'} & sys.modules.keys()))\n"
        f"model = dlglc.load({str(bundles.labelled)!r})\n"
        f"print(model.verify([{str(bundles.speech[0][0])!r}], {str(bundles.speech[0][0])!r}, 0.1).verdict)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=False
    )
    assert (done.stdout, done.returncode) == ("[]\nsame\n", 0), done.stderr


def test_an_ark_needs_kaldiio_alone(bundles, tmp_path):
    """The first version of this output needed pydantic, which `pip install .` does not bring."""
    words = ["embed", str(bundles.labelled), str(bundles.speech[0][0]), "--out", str(tmp_path / "embeddings")]
    program = (
        "import sys; sys.modules.update(torch=None, pydantic=None, sklearn=None, yaml=None)\n"
        f"from dlglc.front.command import main; main({words!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(read_embeddings(tmp_path / "embeddings/embedding.scp")[0]) == 1


def test_several_voices_are_remarked(bundles):
    """Tones and noise stand in for voices, which an encoder of random weights cannot tell apart."""
    model = dlglc.load(bundles.labelled)
    rng = np.random.default_rng(0)
    low, high = tones(10, 16000), rng.normal(0, 0.1, 160000)
    mean = (model.embed(low) + model.embed(high)) / 2
    model.scorer = Scorer("cosine", {"mean": mean, "cohort": mean[None]}, 0, True)
    model.decision = make_decision("cohort", np.linspace(-1, 0.5, 1000))
    for samples, expected in ((np.concatenate([low, high]), 2), (high, 1)):
        recording = Recording("a", samples.astype("f4"), [])
        assert model.count_voices(recording, [(0, len(samples))]) == expected
    assert model.count_voices(recording, [(0, 60000)]) == model.count_voices(recording, []) == 1
