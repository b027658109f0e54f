"""A checkpoint with WeSpeaker's names gives the embeddings that its layers give, computed by those names."""

import pytest
import torch
from torch.nn import functional as F

from dlglc.encoders.models import load_model
from dlglc.errors import RecipeError
from import_encoder import convert

C, SCALE, MELS, AGGREGATE, ATTENTION, D = 32, 8, 80, 96, 16, 12
STRIDES = {f"layer{stage}.{k}": 1 + (stage > 1 and k == 0) for stage, n in enumerate((3, 4, 6, 3), 1) for k in range(n)}


class State(dict):
    """Random tensors under WeSpeaker's names and shapes, and what its layers make of an input."""

    def layer(self, name, *shape, bias=True):
        self[f"{name}.weight"] = torch.randn(shape) / torch.tensor(shape[1:]).prod().sqrt()
        if bias:
            self[f"{name}.bias"] = 0.1 * torch.randn(shape[0])

    def norm(self, name, size):
        for key, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self[f"{name}.{key}"] = value + 0.3 * torch.rand(size)
        self[f"{name}.num_batches_tracked"] = torch.tensor(7.0)  # the mean of several checkpoints makes it a float

    def linear(self, name, x):
        return F.linear(x, self[f"{name}.weight"], self[f"{name}.bias"])

    def conv(self, name, x, **options):
        weight, bias = self[f"{name}.weight"], self.get(f"{name}.bias")
        return (F.conv1d if weight.ndim == 3 else F.conv2d)(x, weight, bias, **options)

    def normalise(self, name, x):
        return F.batch_norm(x, *(self[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")))


def ecapa(emb_bn: bool) -> State:
    torch.manual_seed(0)
    state = State()
    state.layer("layer1.conv", C, MELS, 5)
    state.norm("layer1.bn", C)
    for block in ("layer2", "layer3", "layer4"):
        for k in (0, 2):
            state.layer(f"{block}.se_res2block.{k}.conv", C, C, 1)
            state.norm(f"{block}.se_res2block.{k}.bn", C)
        for k in range(SCALE - 1):
            state.layer(f"{block}.se_res2block.1.convs.{k}", C // SCALE, C // SCALE, 3)
            state.norm(f"{block}.se_res2block.1.bns.{k}", C // SCALE)
        state.layer(f"{block}.se_res2block.3.linear1", C, C)
        state.layer(f"{block}.se_res2block.3.linear2", C, C)
    state.layer("conv", AGGREGATE, 3 * C, 1)
    state.layer("pool.linear1", ATTENTION, 3 * AGGREGATE, 1)
    state.layer("pool.linear2", AGGREGATE, ATTENTION, 1)
    state.norm("bn", 2 * AGGREGATE)
    state.layer("linear", D, 2 * AGGREGATE)
    if emb_bn:
        state.norm("bn2", D)
    return state


def ecapa_embeddings(state: State, feats: torch.Tensor, correction: int) -> torch.Tensor:
    """(B, D) of energies (B, T, F), layer by layer, channels before time."""
    outputs = [state.normalise("layer1.bn", state.conv("layer1.conv", feats.transpose(1, 2), padding=2).relu())]
    for block, dilation in (("layer2", 2), ("layer3", 3), ("layer4", 4)):
        name = f"{block}.se_res2block"
        parts = state.normalise(f"{name}.0.bn", state.conv(f"{name}.0.conv", outputs[-1]).relu()).chunk(SCALE, 1)
        y, found = 0, []
        for k in range(SCALE - 1):
            y = state.conv(f"{name}.1.convs.{k}", parts[k] + y, padding=dilation, dilation=dilation)
            y = state.normalise(f"{name}.1.bns.{k}", y.relu())
            found.append(y)
        x = torch.cat([*found, parts[-1]], 1)
        x = state.normalise(f"{name}.2.bn", state.conv(f"{name}.2.conv", x).relu())
        gain = state.linear(f"{name}.3.linear2", state.linear(f"{name}.3.linear1", x.mean(2)).relu()).sigmoid()
        outputs.append(outputs[-1] + x * gain.unsqueeze(2))
    x = state.conv("conv", torch.cat(outputs[1:], 1)).relu()
    context = [x.mean(2, keepdim=True), (x.var(2, keepdim=True, correction=correction) + 1e-7).sqrt()]
    attention = state.conv("pool.linear1", torch.cat([x, *(c.expand_as(x) for c in context)], 1)).tanh()
    weight = state.conv("pool.linear2", attention).softmax(2)
    mean = (weight * x).sum(2)
    deviation = ((weight * x.square()).sum(2) - mean.square()).clamp(min=1e-7).sqrt()
    embedding = state.linear("linear", state.normalise("bn", torch.cat([mean, deviation], 1)))
    return state.normalise("bn2", embedding) if "bn2.weight" in state else embedding


def resnet(channels: int = 4) -> State:
    torch.manual_seed(0)
    state, inputs = State(), channels
    state.layer("conv1", channels, 1, 3, 3, bias=False)
    state.norm("bn1", channels)
    for name, stride in STRIDES.items():
        outputs = channels * 2 ** (int(name[5]) - 1)
        for k, size in ((1, inputs), (2, outputs)):
            state.layer(f"{name}.conv{k}", outputs, size, 3, 3, bias=False)
            state.norm(f"{name}.bn{k}", outputs)
        if stride == 2:
            state.layer(f"{name}.shortcut.0", outputs, inputs, 1, 1, bias=False)
            state.norm(f"{name}.shortcut.1", outputs)
        inputs = outputs
    state.layer("seg_1", D, 2 * inputs * MELS // 8)
    return state


def resnet_embeddings(state: State, feats: torch.Tensor) -> torch.Tensor:
    """(B, D) of energies (B, T, F)."""
    x = state.normalise("bn1", state.conv("conv1", feats.transpose(1, 2).unsqueeze(1), padding=1)).relu()
    for name, stride in STRIDES.items():
        y = state.normalise(f"{name}.bn1", state.conv(f"{name}.conv1", x, stride=stride, padding=1)).relu()
        y = state.normalise(f"{name}.bn2", state.conv(f"{name}.conv2", y, padding=1))
        if stride == 2:
            x = state.normalise(f"{name}.shortcut.1", state.conv(f"{name}.shortcut.0", x, stride=2))
        x = (x + y).relu()
    statistics = torch.cat([x.mean(3).flatten(1), (x.var(3) + 1e-7).sqrt().flatten(1)], 1)
    return state.linear("seg_1", statistics)


def of_dino(state: State) -> dict:
    """A teacher's entries as DINO leaves them, with its head."""
    return {
        **state,
        "projection_head.mlp.0.weight": torch.ones(8, D),
        "projection_head.last_layer.weight_g": torch.ones(3),
    }


def embeddings(contents: dict, feats: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return convert(contents)[2].eval()(feats)


def test_the_mean_of_dino_teachers_as_a_model(script, tmp_path):
    state, feats = ecapa(emb_bn=True), torch.randn(3, 200, MELS)
    torch.save(of_dino(state), tmp_path / "avg_model.pt")
    script("local/import_encoder.py", tmp_path / "avg_model.pt", tmp_path / "exp/model.pt")
    model = load_model(tmp_path / "exp/model.pt")
    assert (model.fbank.num_mel_bins, model.fbank_settings.window, model.input) == (MELS, "hamming", "wav")
    with torch.no_grad():
        found = model.encoder(feats)
    torch.testing.assert_close(found, ecapa_embeddings(state, feats, 0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found, ecapa_embeddings(state, feats, 1), rtol=1e-3, atol=1e-3)  # as WeSpeaker divides


def test_of_a_checkpoint_with_both_networks_the_teacher():
    state, feats = ecapa(emb_bn=True), torch.randn(2, 100, MELS)
    both = {f"s_model.{k}": torch.zeros_like(v) for k, v in of_dino(state).items()}
    both |= {f"t_model.{k}": v for k, v in of_dino(state).items()} | {"dino_loss_calculator.center": torch.ones(1, 3)}
    found = embeddings({"model": both, "optimizer": {}}, feats)
    torch.testing.assert_close(found, ecapa_embeddings(state, feats, 0), rtol=1e-4, atol=1e-5)


def test_without_a_batch_norm_of_the_embedding():
    state, feats = ecapa(emb_bn=False), torch.randn(2, 100, MELS)
    found = embeddings({**state, "projection.weight": torch.ones(9, D)}, feats)
    torch.testing.assert_close(found, ecapa_embeddings(state, feats, 0), rtol=1e-4, atol=1e-5)


def test_resnet34():
    state, feats = resnet(), torch.randn(2, 101, MELS)
    torch.testing.assert_close(embeddings(of_dino(state), feats), resnet_embeddings(state, feats), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("state", "changes", "words"),
    [
        (ecapa(True), {"bn3.weight": torch.ones(3)}, "also has bn3.weight"),
        (ecapa(True), {"layer3.se_res2block.2.bn.bias": None}, "lacks layer3.se_res2block.2.bn.bias"),
        (ecapa(True), {"linear.weight": None}, "lacks linear.weight"),
        (
            ecapa(True),
            {"pool.linear1.weight": torch.ones(ATTENTION, AGGREGATE, 1)},
            r"not ECAPA-TDNN of WeSpeaker( \(ecapa_tdnn\))?: ",
        ),
        (resnet(), {"seg_2.weight": torch.ones(D, D)}, "also has seg_2.weight"),
        (resnet(), {"layer4.2.bn2.weight": None}, "lacks layer4.2.bn2.weight"),
        ({}, {}, "no encoder of a known family: no single entry ends in xvector"),
        ({}, {f"{net}.layer1.conv.weight": torch.ones(1) for net in "ab"}, "no single entry"),
    ],
)
def test_what_is_not_such_an_encoder_is_named(state, changes, words):
    with pytest.raises(RecipeError, match=words):
        convert({k: v for k, v in {**state, **changes}.items() if v is not None})


def test_the_file_is_named(script, tmp_path):
    torch.save({"state": torch.ones(1)}, tmp_path / "other.pt")
    refused = script("local/import_encoder.py", tmp_path / "other.pt", tmp_path / "x.pt", check=False)
    assert refused.returncode == 1
    assert f"{tmp_path}/other.pt: no encoder of a known family" in refused.stderr
    assert not (tmp_path / "x.pt").exists()
