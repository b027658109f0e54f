"""A checkpoint with WeSpeaker's names gives the embeddings that its layers give, computed by those names."""

import pytest
import torch
from libs.models import load_model
from torch.nn import functional as F

C, SCALE, MELS, AGGREGATE, ATTENTION, D = 32, 8, 80, 96, 16, 12


def state_dict() -> dict:
    """Random tensors under WeSpeaker's names and shapes."""
    torch.manual_seed(0)
    state = {}

    def layer(name, *shape):
        state[f"{name}.weight"] = torch.randn(shape) / torch.tensor(shape[1:]).prod().sqrt()
        state[f"{name}.bias"] = 0.1 * torch.randn(shape[0])

    def norm(name, size):
        for key, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            state[f"{name}.{key}"] = value + 0.3 * torch.rand(size)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    layer("layer1.conv", C, MELS, 5)
    norm("layer1.bn", C)
    for block in ("layer2", "layer3", "layer4"):
        for k in (0, 2):
            layer(f"{block}.se_res2block.{k}.conv", C, C, 1)
            norm(f"{block}.se_res2block.{k}.bn", C)
        for k in range(SCALE - 1):
            layer(f"{block}.se_res2block.1.convs.{k}", C // SCALE, C // SCALE, 3)
            norm(f"{block}.se_res2block.1.bns.{k}", C // SCALE)
        layer(f"{block}.se_res2block.3.linear1", C, C)
        layer(f"{block}.se_res2block.3.linear2", C, C)
    layer("conv", AGGREGATE, 3 * C, 1)
    layer("pool.linear1", ATTENTION, 3 * AGGREGATE, 1)
    layer("pool.linear2", AGGREGATE, ATTENTION, 1)
    norm("bn", 2 * AGGREGATE)
    layer("linear", D, 2 * AGGREGATE)
    return state


def reference(state: dict, feats: torch.Tensor, correction: int) -> torch.Tensor:
    """Embeddings (B, D) of energies (B, T, F), layer by layer as the paper has them, channels before time."""

    def conv(name, x, **options):
        return F.conv1d(x, state[f"{name}.weight"], state[f"{name}.bias"], **options)

    def norm(name, x):
        keys = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(state[f"{name}.{key}"] for key in keys))

    outputs = [norm("layer1.bn", conv("layer1.conv", feats.transpose(1, 2), padding=2).relu())]
    for block, dilation in (("layer2", 2), ("layer3", 3), ("layer4", 4)):
        name = f"{block}.se_res2block"
        parts = norm(f"{name}.0.bn", conv(f"{name}.0.conv", outputs[-1]).relu()).chunk(SCALE, 1)
        y, found = 0, []
        for k in range(SCALE - 1):
            y = conv(f"{name}.1.convs.{k}", parts[k] + y, padding=dilation, dilation=dilation)
            y = norm(f"{name}.1.bns.{k}", y.relu())
            found.append(y)
        x = torch.cat([*found, parts[-1]], 1)
        x = norm(f"{name}.2.bn", conv(f"{name}.2.conv", x).relu())
        gain = F.linear(x.mean(2), state[f"{name}.3.linear1.weight"], state[f"{name}.3.linear1.bias"]).relu()
        gain = F.linear(gain, state[f"{name}.3.linear2.weight"], state[f"{name}.3.linear2.bias"]).sigmoid()
        outputs.append(outputs[-1] + x * gain.unsqueeze(2))
    x = conv("conv", torch.cat(outputs[1:], 1)).relu()
    context = [x.mean(2, keepdim=True), (x.var(2, keepdim=True, correction=correction) + 1e-7).sqrt()]
    attention = conv("pool.linear1", torch.cat([x, *(c.expand_as(x) for c in context)], 1)).tanh()
    weight = conv("pool.linear2", attention).softmax(2)
    mean = (weight * x).sum(2)
    deviation = ((weight * x.square()).sum(2) - mean.square()).clamp(min=1e-7).sqrt()
    return F.linear(norm("bn", torch.cat([mean, deviation], 1)), state["linear.weight"], state["linear.bias"])


def embeddings(path, feats):
    encoder, fbank, _ = load_model(path)
    assert fbank.num_mel_bins == MELS
    with torch.no_grad():
        return encoder(feats)


def test_embeddings_are_those_of_the_layers(script, tmp_path):
    state, feats = state_dict(), torch.randn(3, 200, MELS)
    torch.save(state, tmp_path / "avg_model.pt")
    script("local/import_encoder.py", tmp_path / "avg_model.pt", tmp_path / "exp/model.pt")
    found = embeddings(tmp_path / "exp/model.pt", feats)
    torch.testing.assert_close(found, reference(state, feats, 0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found, reference(state, feats, 1), rtol=1e-3, atol=1e-3)  # as WeSpeaker divides


def test_the_teacher_is_taken_and_what_does_not_belong_is_named(script, tmp_path):
    state, feats = state_dict(), torch.randn(2, 100, MELS)
    both = {f"s_model.backbone.{k}": torch.zeros_like(v) for k, v in state.items()}
    both |= {f"t_model.backbone.{k}": v for k, v in state.items()}
    both |= {"t_model.head.last.weight": torch.ones(3, 3)}
    torch.save({"model": both, "epoch": 3}, tmp_path / "model_3.pt")
    script("local/import_encoder.py", tmp_path / "model_3.pt", tmp_path / "model.pt")
    torch.testing.assert_close(
        embeddings(tmp_path / "model.pt", feats), reference(state, feats, 0), rtol=1e-4, atol=1e-5
    )
    for changes, words in (
        ({"bn2.weight": torch.ones(3)}, "'bn2.weight' is not of WeSpeaker's ECAPA_TDNN_GLOB"),
        ({"pool.linear1.weight": state["pool.linear1.weight"][:, :AGGREGATE]}, "not WeSpeaker's ECAPA_TDNN_GLOB"),
    ):
        torch.save({**state, **changes}, tmp_path / "other.pt")
        refused = script("local/import_encoder.py", tmp_path / "other.pt", tmp_path / "x.pt", check=False)
        assert refused.returncode == 1
        assert words in refused.stderr
        assert not (tmp_path / "x.pt").exists()


@pytest.mark.parametrize("contents", [{}, {"state": torch.ones(1)}])
def test_other_files_are_named(script, tmp_path, contents):
    torch.save(contents, tmp_path / "other.pt")
    refused = script("local/import_encoder.py", tmp_path / "other.pt", tmp_path / "x.pt", check=False)
    assert refused.returncode == 1
    assert "0 entries end in layer1.conv.weight" in refused.stderr
