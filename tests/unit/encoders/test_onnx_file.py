"""ONNX files as frozen encoders: what they take, by whom they were trained, and files that are something else."""

import json
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from dlglc.encoders import build_encoder
from dlglc.encoders.models import save_model
from dlglc.encoders.onnx_file import OnnxEncoder, import_onnx, open_encoder
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, FbankSettings

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
SMALL = ["encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=6"]
ENCODER = load_settings(DinoSettings, None, SMALL).encoder


def export(path, network, example, name, **metadata):
    """Write a network as the toolkits do: batch and time are free."""
    free = {name: {0: "B", 1: "T"}, "embs": {0: "B"}}
    words = {"input_names": [name], "output_names": ["embs"], "dynamic_axes": free, "dynamo": False}
    torch.onnx.export(network, (example,), str(path), **words)
    if metadata:
        import onnx

        model = onnx.load(path)
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_encoder(ENCODER, 80).eval()


@pytest.mark.parametrize(
    ("name", "metadata", "toolkit", "window"),
    [
        ("feats", {}, "wespeaker", "hamming"),
        ("feature", {}, "3dspeaker", "povey"),
        ("x", {"framework": "3d-speaker"}, "3dspeaker", "povey"),
        ("x", {"framework": "wespeaker"}, "wespeaker", "hamming"),
    ],
)
def test_the_file_says_who_trained_it(network, tmp_path, name, metadata, toolkit, window):
    path = export(tmp_path / "their.onnx", network, torch.randn(2, 60, 80), name, **metadata)
    found = import_onnx(path, tmp_path / "start/model.onnx", None)
    assert found.encoder.toolkit == toolkit
    assert (found.fbank_settings.window, found.encoder.embedding_dim, found.input) == (window, 6, "wav")
    again = open_encoder(tmp_path / "start/model.onnx")
    feats = torch.randn(3, 75, 80)
    with torch.no_grad():
        torch.testing.assert_close(again.encoder(feats), network(feats), rtol=1e-3, atol=1e-5)
    assert (tmp_path / "start/model.onnx").read_bytes() == path.read_bytes()


def test_a_word_of_the_user_decides_where_the_file_says_nothing(network, tmp_path):
    path = export(tmp_path / "their.onnx", network, torch.randn(2, 60, 80), "x")
    with pytest.raises(RecipeError, match=r"their\.onnx: the input 'x' does not say who trained .* pass --toolkit"):
        import_onnx(path, tmp_path / "model.onnx", None)
    assert not (tmp_path / "model.onnx").exists()
    import_onnx(path, tmp_path / "kept.onnx", "wespeaker")
    assert json.loads((tmp_path / "kept.json").read_text()) == {"toolkit": "wespeaker"}
    assert import_onnx(tmp_path / "kept.onnx", tmp_path / "model.onnx", None).encoder.toolkit == "wespeaker"


def test_a_waveform_goes_in_from_minus_one_to_one(tmp_path):
    class Loudness(nn.Module):
        def forward(self, x):
            return torch.stack([x.abs().amax(1), x.mean(1)], 1)

    found = import_onnx(export(tmp_path / "a.onnx", Loudness(), torch.zeros(2, 99), "sound"), tmp_path / "b.onnx", None)
    assert found.encoder.waveform
    loud = torch.full((1, 500), 16384, dtype=torch.int16)
    torch.testing.assert_close(found.encoder(loud), torch.tensor([[0.5, 0.5]]))


class Twice(nn.Module):
    def forward(self, x):
        return x, x


class Long(nn.Module):
    def forward(self, x):
        return x.mean(2, keepdim=True)


@pytest.mark.parametrize(
    ("kind", "example", "words"),
    [
        (Long, torch.zeros(2, 60, 80), r"gives \(1, 200, 1\): one output \(batch, dimensions\) is wanted"),
        (Long, torch.zeros(2, 60, 40), r"80 mel bins are wanted"),
        (nn.Identity, torch.zeros(2), r"takes feats tensor\(float\) .*: one input is wanted"),
        (nn.Identity, torch.zeros(2, 60, dtype=torch.int64), r"takes feats tensor\(int64\)"),
    ],
)
def test_other_networks_are_refused(kind, example, words, tmp_path):
    free = (
        {"feats": {0: "B"}, "embs": {0: "B"}}
        if example.ndim < 2
        else {"feats": {0: "B", 1: "T"}, "embs": {0: "B", 1: "T"}}
    )
    names = {"input_names": ["feats"], "output_names": ["embs"], "dynamic_axes": free, "dynamo": False}
    torch.onnx.export(kind(), (example,), str(tmp_path / "x.onnx"), **names)
    with pytest.raises(RecipeError, match=words):
        OnnxEncoder((tmp_path / "x.onnx").read_bytes(), "wespeaker")


def test_frameworks_with_other_features_are_refused(network, tmp_path):
    path = export(tmp_path / "x.onnx", network, torch.randn(2, 60, 80), "feats", framework="nemo")
    with pytest.raises(RecipeError, match="a network of the framework 'nemo'; those of wespeaker and 3d-speaker"):
        import_onnx(path, tmp_path / "y.onnx", None)


def test_damaged_files_are_refused(network, tmp_path):
    path = export(tmp_path / "x.onnx", network, torch.randn(2, 60, 80), "feats")
    contents = path.read_bytes()
    for bad in (
        b"",
        b"no network",
        contents[:1000],
        contents[: len(contents) // 2],
        np.random.default_rng(0).bytes(500),
    ):
        path.write_bytes(bad)
        with pytest.raises(RecipeError, match=r"x\.onnx: (not an ONNX network, or damaged|this network)"):
            import_onnx(path, tmp_path / "y.onnx", None)
    assert not (tmp_path / "y.onnx").exists()
    with pytest.raises(RecipeError, match="cannot be read: No such file"):
        import_onnx(tmp_path / "none.onnx", tmp_path / "y.onnx", None)


def test_a_model_of_this_recipe_is_opened_too(network, tmp_path):
    save_model(tmp_path / "model.pt", ENCODER, load_settings(FbankSettings), OrderedDict(network.state_dict()), "wav")
    assert open_encoder(tmp_path / "model.pt").encoder_settings == ENCODER
