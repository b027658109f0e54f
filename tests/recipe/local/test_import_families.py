"""ResNets of WeSpeaker and ERes2Nets of both toolkits beside their authors' code: random weights, real speech."""

import importlib
import sys

import pytest
import torch
from torch import nn

from dlglc.data.fbank import Fbank
from dlglc.errors import RecipeError
from import_encoder import convert

WESPEAKER = ("wespeaker-unofficial==0.0.2", "wespeaker/models")  # the toolkit of wenet-e2e, Apache-2.0
SPEAKERLAB = ("speakerlab==0.0.6", "speakerlab/models")  # 3D-Speaker, Apache-2.0
LARGEST = 1e-4  # difference of an embedding's elements, relative to the largest element; 4e-7 was measured
WORDS = {"3dspeaker": ("povey", 1), "wespeaker": ("hamming", 32768)}

# Toolkit, module, class, its arguments. Networks are narrow, so that the test is quick.
DEEP = {"block": "Bottleneck", "m_channels": 4}
CASES = {
    "resnet34": ("wespeaker", "resnet", "ResNet", {"block": "BasicBlock", "m_channels": 8, "num_blocks": [3, 4, 6, 3]}),
    "resnet221": ("wespeaker", "resnet", "ResNet", {**DEEP, "num_blocks": [6, 16, 48, 3]}),
    "resnet293": ("wespeaker", "resnet", "ResNet", {**DEEP, "num_blocks": [10, 20, 64, 3]}),
    "eres2net": ("3dspeaker", "eres2net.ERes2Net", "ERes2Net", {"m_channels": 8}),
    "eres2netv2": ("3dspeaker", "eres2net.ERes2NetV2", "ERes2NetV2", {"m_channels": 16}),
    "eres2netv2 w24 s4 ep4": (
        "3dspeaker", "eres2net.ERes2NetV2", "ERes2NetV2",
        {"m_channels": 8, "baseWidth": 24, "scale": 4, "expansion": 4},
    ),
    "eres2net of wespeaker": ("wespeaker", "eres2net", "ERes2Net", {"m_channels": 8, "num_blocks": [3, 4, 6, 3]}),
}  # fmt: skip


@pytest.fixture
def reference(authors, monkeypatch):
    """reference("resnet34", feats) → toolkit and encoder of the authors, whose random weights are settled on feats."""

    def make(case: str, feats: list[torch.Tensor]) -> tuple[str, nn.Module]:
        toolkit, module, name, words = CASES[case]
        package, part = WESPEAKER if toolkit == "wespeaker" else SPEAKERLAB
        monkeypatch.syspath_prepend(str(authors(package, part)))
        code = importlib.import_module(f"{part.replace('/', '.')}.{module}")
        kind, words = getattr(code, name), dict(words)
        if "block" in words:
            words["block"] = getattr(code, words["block"])
        torch.manual_seed(0)
        sizes = {"embed_dim": 24} if toolkit == "wespeaker" else {"embedding_size": 24}
        network = kind(feat_dim=80, **sizes, **words)
        with torch.no_grad():
            for _ in range(3):  # statistics that fit the weights
                network(torch.cat([one[:, :100] for one in feats]))
        for parameter in (p for m in network.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters()):
            nn.init.uniform_(parameter, 0.5, 1.0)
        return toolkit, network.eval()

    yield make
    for name in [name for name in sys.modules if name.split(".")[0] in ("wespeaker", "speakerlab")]:
        del sys.modules[name]


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_embeddings_are_those_of_the_authors(case, reference, real_feats, fbank_of):
    feats = real_feats(fbank_of(CASES[case][0]), 3)
    _, theirs = reference(case, feats)
    config, fbank, ours = convert(theirs.state_dict())
    assert config.name == case.split()[0]
    assert (fbank.num_mel_bins, fbank.window, fbank.full_scale) == (80, *WORDS[CASES[case][0]])
    differences = []
    for one in feats:
        found = theirs(one)
        expected = found[1] if isinstance(found, tuple) else found
        differences.append(((ours.eval()(one) - expected).abs().max() / expected.abs().max()).item())
    print(f"{case}: largest difference {max(differences):.2g} of {len(differences)} recordings")
    assert max(differences) < LARGEST


@pytest.fixture
def fbank_of():
    """The filter bank of a toolkit."""
    from dlglc.settings import load_settings
    from dlglc.settings.schema import FbankSettings
    from import_encoder import FEATURES

    return lambda toolkit: Fbank(load_settings(FbankSettings, words=["num_mel_bins=80", *FEATURES[toolkit]]))


@pytest.mark.parametrize(
    ("case", "changes", "words"),
    [
        ("resnet221", {"layer3.47.bn3.bias": None}, r"not ResNet of WeSpeaker.*: it lacks layer3\.47\.bn3\.bias"),
        ("resnet221", {"layer3.48.conv1.weight": torch.ones(1)}, r"it also has layer3\.48\.conv1\.weight"),
        ("resnet221", {"seg_2.weight": torch.ones(24, 24)}, r"it also has seg_2\.weight"),
        ("eres2net", {"fuse_mode123.local_att.1.running_var": None}, r"lacks fuse_mode123\.local_att\.1\.running_var"),
        ("eres2net", {"layer1_downsample.weight": None}, r"not ERes2Net .*: it lacks layer1_downsample\.weight"),
        (
            "eres2netv2",
            {"layer4.2.convs.1.weight": torch.ones(1)},
            r"layer4\.2\.convs\.1\.weight has shape \(1,\), expected",
        ),
        ("eres2netv2", {"fuse12.weight": torch.ones(1)}, r"it also has fuse12\.weight"),
    ],
)
def test_the_first_entry_that_differs_is_named(case, changes, words, reference):
    _, theirs = reference(case, [torch.randn(2, 100, 80)])
    state = {name: value for name, value in {**theirs.state_dict(), **changes}.items() if value is not None}
    with pytest.raises(RecipeError, match=words):
        convert(state)
