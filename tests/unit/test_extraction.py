"""Embeddings of a data directory: those of single utterances, from waveforms and features, in batches of any size."""

import numpy as np
import pytest
import torch

from dlglc.bundles.export import export_onnx
from dlglc.data.arks import read_embeddings
from dlglc.data.audio import Recordings
from dlglc.encoders import build_encoder
from dlglc.encoders.models import load_model, save_model
from dlglc.encoders.onnx_file import import_onnx
from dlglc.errors import RecipeError
from dlglc.extraction import Hidden, equal_lengths, extract_embeddings, read_ahead
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, FbankSettings

ENCODER = load_settings(
    DinoSettings, None, ["encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=8"]
).encoder


@pytest.fixture
def model(tmp_path):
    """model("wav" or "feats") → a model.pt and its encoder."""

    def make(inputs):
        torch.manual_seed(0)
        encoder = build_encoder(ENCODER, 80)
        encoder(torch.randn(4, 50, 80))
        save_model(tmp_path / "model.pt", ENCODER, load_settings(FbankSettings), encoder.state_dict(), inputs)
        return tmp_path / "model.pt", encoder.eval()

    return make


@torch.no_grad()
def alone(encoder, feats):
    return encoder(feats - feats.mean(1, keepdim=True))[0].numpy()


@pytest.mark.parametrize("batch_frames", [1, 250, 100_000])
def test_embeddings_are_those_of_single_utterances(model, fbank, tiny, tmp_path, batch_frames):
    path, encoder = model("wav")
    extract_embeddings(path, tiny / "train", tmp_path / "out", batch_frames, "cpu")
    ids, matrix = read_embeddings(tmp_path / "out/embedding.scp")
    recordings = Recordings(tiny / "train")
    assert ids == list(recordings.ids)
    for i in range(0, 24, 5):
        feats = fbank(torch.from_numpy(recordings.read(i))[None])
        np.testing.assert_allclose(matrix[i], alone(encoder, feats), atol=1e-4)


def test_embeddings_of_features(model, tmp_path, write_ark):
    path, encoder = model("feats")
    rng = np.random.default_rng(0)
    arrays = {f"u{i}": rng.normal(size=(20 + i % 3, 80)).astype("f4") for i in range(7)}
    write_ark(tmp_path, arrays)
    extract_embeddings(path, tmp_path, tmp_path / "out", 50, "cpu")
    _, matrix = read_embeddings(tmp_path / "out/embedding.scp")
    for row, array in zip(matrix, arrays.values()):
        np.testing.assert_allclose(row, alone(encoder, torch.from_numpy(array)[None]), atol=1e-4)


def test_a_finished_output_is_reused_until_the_model_changes(model, tiny, tmp_path, caplog):
    path, _ = model("wav")
    for _ in range(2):
        with caplog.at_level("INFO"):
            extract_embeddings(path, tiny / "train", tmp_path / "out", 5000, "cpu")
    assert "24 embeddings of 8 dimensions" in caplog.text
    assert "reused" in caplog.text
    caplog.clear()
    torch.manual_seed(1)
    save_model(path, ENCODER, load_settings(FbankSettings), build_encoder(ENCODER, 80).state_dict(), "wav")
    with caplog.at_level("INFO"):
        extract_embeddings(path, tiny / "train", tmp_path / "out", 5000, "cpu")
    assert "reused" not in caplog.text


def test_an_utterance_of_no_frame_is_named(model, tmp_path, write_ark):
    write_ark(tmp_path, {"a": np.zeros((5, 80), "f4"), "b": np.zeros((0, 80), "f4")})
    with pytest.raises(RecipeError, match=r"feats\.scp:2: b: too short for one frame"):
        extract_embeddings(model("feats")[0], tmp_path, tmp_path / "out", 100, "cpu")


def test_groups_are_of_equal_length_and_bounded():
    lengths = np.random.default_rng(0).integers(10, 14, 50)
    groups = list(equal_lengths(lengths, 30))
    assert sorted(np.concatenate(groups)) == list(range(50))
    for rows in groups:
        assert len(set(lengths[rows])) == 1
        assert len(rows) * lengths[rows[0]] <= 30
    assert all(len(rows) == 1 for rows in equal_lengths(lengths, 5))  # one utterance at least


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("threads", [0, 2])
def test_what_is_read_ahead_comes_in_order(threads):
    asked = []

    def read(group):
        asked.append(group)
        if group == 30:
            raise RecipeError("30 is damaged")
        return -group

    found = read_ahead(read, range(40), threads)
    assert [next(found) for _ in range(10)] == [-i for i in range(10)]
    assert len(asked) <= 10 + 4 * threads  # not the whole corpus
    with pytest.raises(RecipeError, match="30 is damaged"):
        list(found)


def test_an_onnx_file_gives_the_same_embeddings(model, tiny, tmp_path):
    path, _ = model("wav")
    extract_embeddings(path, tiny / "train", tmp_path / "torch", 1000, "cpu")
    (tmp_path / "own.onnx").write_bytes(export_onnx(load_model(path)))
    import_onnx(tmp_path / "own.onnx", tmp_path / "model.onnx", None)
    extract_embeddings(tmp_path / "model.onnx", tiny / "train", tmp_path / "onnx", 1000, "cpu")
    (ids, matrix), (others, expected) = (
        read_embeddings(tmp_path / kind / "embedding.scp") for kind in ("onnx", "torch")
    )
    assert ids == others
    np.testing.assert_allclose(matrix, expected, atol=1e-4)
    with pytest.raises(RecipeError, match=r"model\.onnx: an ONNX file has no parts"):
        extract_embeddings(tmp_path / "model.onnx", tiny / "train", tmp_path / "x", 1000, "cpu", Hidden(1, None))
