"""CAM++ in its published names and order; CAM++ and ECAPA-TDNN of 3D-Speaker beside their authors' code."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from dlglc.encoders.campplus import BLOCKS, CamPlusPlus
from dlglc.encoders.models import load_model, save_model
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, FbankSettings
from fetch_encoder import PUBLISHED, fetch_encoder
from import_encoder import convert

pytestmark = pytest.mark.slow

REFERENCE = ("speakerlab==0.0.6", "speakerlab/models")  # the authors' code, Apache-2.0
LARGEST_DISTANCE = 1e-5  # between embeddings, 1 - cosine; 1.8e-7 was measured
DENSE = 2  # modules of the last layer, which stands before the last norm in published files


def published_modules() -> list[str]:
    """The modules of a published state dict, in its order."""
    found = ["head.conv1", "head.bn1"]
    for layer in ("head.layer1", "head.layer2"):
        for block in (f"{layer}.0", f"{layer}.1"):
            found += [f"{block}.{part}" for part in ("conv1", "bn1", "conv2", "bn2")]
            found += [f"{block}.shortcut.{part}" for part in (0, 1) if block.endswith("0")]
    found += ["head.conv2", "head.bn2", "xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm"]
    parts = ["nonlinear1.batchnorm", "linear1", "nonlinear2.batchnorm"]
    parts += ["cam_layer.linear_local", "cam_layer.linear1", "cam_layer.linear2"]
    for block, (layers, _) in enumerate(BLOCKS, 1):
        found += [f"xvector.block{block}.tdnnd{k}.{part}" for k in range(1, layers + 1) for part in parts]
        found += [f"xvector.transit{block}.nonlinear.batchnorm", f"xvector.transit{block}.linear"]
    return [*found, "xvector.dense.linear", "xvector.dense.nonlinear.batchnorm", "xvector.out_nonlinear.batchnorm"]


@pytest.fixture(scope="module")
def both() -> tuple[CamPlusPlus, dict[str, torch.Tensor]]:
    """A small encoder, and its weights as a published file has them: the modules stand in the same order."""
    torch.manual_seed(0)
    encoder = CamPlusPlus(80, 8, 12)
    encoder(torch.randn(4, 120, 80))  # its statistics are no longer the initial ones
    theirs = published_modules()
    theirs = [*theirs[: -DENSE - 1], theirs[-1], *theirs[-DENSE - 1 : -1]]
    ours = list(dict.fromkeys(name.rpartition(".")[0] for name in encoder.state_dict()))
    assert len(ours) == len(theirs)
    names = dict(zip(ours, theirs))
    state = {
        f"{names[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": value
        for name, value in encoder.state_dict().items()
    }
    state["xvector.dense.linear.weight"] = state["xvector.dense.linear.weight"].unsqueeze(-1)
    return encoder.eval(), state


@torch.no_grad()
def test_entries_go_where_their_order_says(both):
    encoder, state = both
    config, fbank, found = convert(state)
    assert (config.name, config.channels, config.embedding_dim) == ("campplus", 8, 12)
    assert (fbank.num_mel_bins, fbank.window, fbank.full_scale) == (80, "povey", 1)
    feats = torch.randn(2, 150, 80)
    assert torch.equal(found.eval()(feats), encoder(feats))


def test_the_toolkit_decides_the_features(both):
    _, state = both
    head = {f"model.{name}": value for name, value in state.items()} | {"model.projection.weight": torch.ones(9, 12)}
    for contents, toolkit, expected in (
        (head, None, ("hamming", 32768)),
        (state, "wespeaker", ("hamming", 32768)),
        (head, "3dspeaker", ("povey", 1)),
    ):
        fbank = convert(contents, toolkit)[1]
        assert (fbank.window, fbank.full_scale) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head.conv1.weight": None, "head.bn1.bias": None}, r"it lacks head\.conv1\.weight$"),
        (
            {"xvector.block2.tdnnd7.linear1.weight": torch.ones(128, 9, 1)},
            r"tdnnd7\.linear1\.weight has shape \(128, 9",
        ),
        ({"xvector.fusion.weight": torch.ones(1)}, r"it also has xvector\.fusion\.weight"),
        (
            {"head.bn2.running_var": torch.full((32,), torch.nan)},
            r"head\.bn2\.running_var has values that are not finite",
        ),
        ({"xvector.tdnn.linear.weight": None}, r"not ResNet of WeSpeaker.*: it lacks seg_1\.weight"),
    ],
)
def test_the_first_entry_that_differs_is_named(both, changes, words):
    with pytest.raises(RecipeError, match=words):
        convert({name: value for name, value in {**both[1], **changes}.items() if value is not None})


class Code:
    """What a file can bring with it."""

    def __reduce__(self):
        return print, ("code of the file",)


def test_a_file_with_code_a_cut_one_and_a_program_are_refused(both, script, tmp_path):
    torch.save({**both[1], "more": Code()}, tmp_path / "code.pt")
    torch.save(both[1], tmp_path / "whole.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:100_000])
    (tmp_path / "empty.pt").write_bytes(b"")
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "program.pt")
    for name, words in (
        ("code", "refused: loading this file would run code (print)"),
        ("cut", "not a model file of this recipe, or damaged"),
        ("empty", "not a model file of this recipe, or damaged: it is empty or holds something else: take"),
        ("program", "this is a TorchScript program, not weights"),
    ):
        refused = script("local/import_encoder.py", tmp_path / f"{name}.pt", tmp_path / "x/model.pt", check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert f"{tmp_path}/{name}.pt: {words}" in refused.stderr
        assert "weights_only" not in refused.stderr
    assert not (tmp_path / "x").exists()


def test_a_model_of_this_recipe_is_taken_as_it_is(script, tmp_path):
    words = ["encoder.name=campplus", "encoder.channels=8", "encoder.embedding_dim=12"]
    settings, state = load_settings(DinoSettings, None, words).encoder, CamPlusPlus(40, 8, 12).state_dict()
    fbank = load_settings(FbankSettings, None, ["num_mel_bins=40"])
    for inputs in ("wav", "feats"):
        save_model(tmp_path / f"{inputs}.pt", settings, fbank, state, inputs)
    script("local/import_encoder.py", tmp_path / "wav.pt", tmp_path / "model.pt")
    found = load_model(tmp_path / "model.pt")
    assert (found.encoder_settings, found.fbank_settings, found.input) == (settings, fbank, "wav")
    assert all(torch.equal(value, state[name]) for name, value in found.encoder.state_dict().items())
    refused = script("local/import_encoder.py", tmp_path / "feats.pt", tmp_path / "x.pt", check=False)
    assert "feats.pt: this model was trained with input: feats" in refused.stderr


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A folder with the real checkpoint; a test that asks for it skips where it cannot be had."""
    folder = tmp_path_factory.mktemp("published")
    try:
        fetch_encoder(PUBLISHED["campplus"], folder / "campplus.pt")
    except RecipeError as error:
        pytest.skip(f"the published encoder cannot be had: {error}")
    return folder


def test_the_published_encoder_on_real_speech(published, authors, speechocean, tmp_path, script, monkeypatch):
    knf = pytest.importorskip("kaldi_native_fbank")
    monkeypatch.syspath_prepend(str(authors(*REFERENCE)))
    from speakerlab.models.campplus.DTDNN import CAMPPlus

    reference = CAMPPlus(80, 192)
    reference.load_state_dict(torch.load(published / "campplus.pt", weights_only=True))
    reference.eval()
    script("local/import_encoder.py", published / "campplus.pt", tmp_path / "model.pt")
    model = load_model(tmp_path / "model.pt")
    distances = []
    for path in sorted((speechocean / "eval/audio").glob("*/*"))[:1300:130]:
        samples, _ = soundfile.read(path, dtype="int16")
        options = knf.FbankOptions()
        options.frame_opts.dither = 0
        options.mel_opts.num_bins = 80
        theirs = knf.OnlineFbank(options)
        theirs.accept_waveform(16000, (samples.astype(np.float32) / 32768).tolist())
        theirs.input_finished()
        feats = np.stack([theirs.get_frame(k) for k in range(theirs.num_frames_ready)])
        ours = model.fbank(torch.from_numpy(samples)[None])
        with torch.no_grad():
            expected = reference(torch.from_numpy(feats - feats.mean(0))[None])
            found = model.encoder(ours - ours.mean(1, keepdim=True))
        distances.append(1 - torch.cosine_similarity(found, expected).item())
    print(f"largest distance {max(distances):.2g} of {len(distances)} recordings")
    assert max(distances) < LARGEST_DISTANCE


@torch.no_grad()
def test_ecapa_tdnn_of_3d_speaker(authors, monkeypatch):
    monkeypatch.syspath_prepend(str(authors(*REFERENCE)))
    from speakerlab.models.ecapa_tdnn.ECAPA_TDNN import ECAPA_TDNN

    torch.manual_seed(0)
    reference = ECAPA_TDNN(80, channels=[128, 128, 128, 128, 384], lin_neurons=24)
    reference(torch.randn(8, 150, 80))  # its statistics are no longer the initial ones
    for name, parameter in reference.named_parameters():
        if "norm" in name or "bn" in name:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    state = reference.eval().state_dict()
    config, fbank, encoder = convert(state, "3dspeaker")
    assert (config.channels, config.aggregate, config.embedding_dim, config.speechbrain) == (128, 384, 24, True)
    assert (fbank.window, fbank.full_scale) == ("povey", 1)
    feats = torch.randn(3, 137, 80)
    torch.testing.assert_close(encoder.eval()(feats), reference(feats).squeeze(1), rtol=1e-3, atol=1e-3)
    with pytest.raises(RecipeError, match="do not say who trained it"):
        convert(state)
    del state["asp.conv.conv.bias"]
    with pytest.raises(RecipeError, match=r"not ECAPA-TDNN of 3D-Speaker .*: it lacks asp\.conv\.conv\.bias"):
        convert(state, "3dspeaker")
