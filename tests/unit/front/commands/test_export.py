"""dlg-lc export, and the example that uses what it writes with onnxruntime and numpy alone."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

import dlglc
from dlglc.bundles.container import ARRAYS, ONNX, read_bundle
from support.commands import dlg_lc
from support.scripts import ROOT


def test_files_are_those_of_the_bundle(bundles, capsys, tmp_path):
    words = ["--onnx", tmp_path / "m.onnx", "--backend", tmp_path / "b.npz"]
    found = dlg_lc(capsys, "export", "--json", bundles.labelled, *words).json
    parts = read_bundle(bundles.labelled).parts
    assert (tmp_path / "m.onnx").read_bytes() == parts[ONNX]
    assert (tmp_path / "b.npz").read_bytes() == parts[ARRAYS]
    assert found["bytes"][str(tmp_path / "m.onnx")] == len(parts[ONNX])


@pytest.mark.parametrize(("weights", "most"), [("float16", 0.8), ("int8", 0.7)])
def test_smaller_weights(bundles, capsys, tmp_path, weights, most):
    dlg_lc(capsys, "export", bundles.labelled, "--onnx", tmp_path / "m.onnx", "--weights", weights)
    assert (tmp_path / "m.onnx").stat().st_size < most * len(read_bundle(bundles.labelled).parts[ONNX])


def test_the_example_needs_onnxruntime_and_numpy_alone(bundles, capsys, tmp_path):
    dlg_lc(capsys, "export", bundles.labelled, "--onnx", tmp_path / "m.onnx", "--backend", tmp_path / "b.npz")
    vectors = []
    model = dlglc.load(bundles.labelled)
    for name, paths in zip("ab", bundles.speech):
        samples = soundfile.read(paths[0], dtype="int16")[0]
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000)
        vectors.append(model.embed(samples) - unpacked_mean(bundles))
    expected = vectors[0] @ vectors[1] / np.linalg.norm(vectors[0]) / np.linalg.norm(vectors[1])
    blocked = "import sys; sys.modules.update(torch=None, dlglc=None, scipy=None, soundfile=None)\n"
    example = (ROOT / "docs/examples/onnx_only.py").read_text()
    words = [str(tmp_path / name) for name in ("m.onnx", "b.npz", "a.wav", "b.wav")]
    done = subprocess.run(
        [sys.executable, "-c", blocked + example, *words], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert float(done.stdout.removeprefix("cosine ")) == pytest.approx(expected, abs=1e-3)


def unpacked_mean(bundles):
    with np.load(bundles.labelled) as whole, np.load(whole.zip.open(ARRAYS)) as arrays:
        return arrays["mean"]
