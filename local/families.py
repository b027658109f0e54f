"""Families of published encoders: the names of their modules, and their weights as this recipe's encoders take them.

A function of this file takes the state dict of one family. CONVERTERS says by which entry a family is recognised.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from dlglc.encoders import ENCODERS
from dlglc.encoders.campplus import BLOCKS
from dlglc.encoders.eres2net import GROUPS
from dlglc.encoders.resnet import Bottleneck, ResNet34
from dlglc.errors import RecipeError

SQUEEZE = {"conv1": "down", "conv2": "up"}  # layers of squeeze-excite

State = dict[str, torch.Tensor]


class Converted(NamedTuple):
    """An encoder in the words of this recipe.

    Attributes:
        settings: of the encoder.
        mels: number of mel bins.
        names: names of modules, theirs to ours.
        state: the state dict, with their names.
    """

    settings: dict[str, Any]
    mels: int
    names: dict[str, str]
    state: State


def convert_campplus(state: State) -> Converted:
    """CAM++ of 3D-Speaker or WeSpeaker"""
    block_parts = {"conv1": "body.0", "bn1": "body.1", "conv2": "body.3", "bn2": "body.4"}
    block_parts |= {"shortcut.0": "shortcut.0", "shortcut.1": "shortcut.1"}
    names = {"head.conv1": "front.layers.0", "head.bn1": "front.layers.1"}
    for k, block in enumerate(("layer1.0", "layer1.1", "layer2.0", "layer2.1"), 3):
        names |= {f"head.{block}.{theirs}": f"front.layers.{k}.{ours}" for theirs, ours in block_parts.items()}
    names |= {"head.conv2": "front.layers.7", "head.bn2": "front.layers.8"}
    names |= {"xvector.tdnn.linear": "layers.0", "xvector.tdnn.nonlinear.batchnorm": "layers.1.0"}
    parts = {"nonlinear1.batchnorm": "0.0", "linear1": "1", "nonlinear2.batchnorm": "2.0"}
    parts |= {"cam_layer.linear_local": "3.conv", "cam_layer.linear1": "3.down", "cam_layer.linear2": "3.up"}
    layer = 2
    for block, (count, _) in enumerate(BLOCKS, 1):
        for k in range(1, count + 1):
            theirs = f"xvector.block{block}.tdnnd{k}"
            names |= {f"{theirs}.{part}": f"layers.{layer}.layers.{ours}" for part, ours in parts.items()}
            layer += 1
        transit = f"xvector.transit{block}"
        names |= {f"{transit}.nonlinear.batchnorm": f"layers.{layer}.0", f"{transit}.linear": f"layers.{layer + 1}"}
        layer += 2
    names |= {"xvector.out_nonlinear.batchnorm": f"layers.{layer}.0", "xvector.dense.linear": "embedding"}
    names |= {"xvector.dense.nonlinear.batchnorm": "embedding_norm"}

    channels, maps, _ = sizes(state, "xvector.tdnn.linear.weight")
    dim = sizes(state, "xvector.dense.linear.weight")[0]
    mels = maps // sizes(state, "head.conv2.weight")[0] * 8
    # There, the last layer is a convolution over one frame.
    state["xvector.dense.linear.weight"] = state["xvector.dense.linear.weight"].flatten(1)
    return Converted({"name": "campplus", "channels": channels, "embedding_dim": dim}, mels, names, state)


def convert_ecapa(state: State) -> Converted:
    """ECAPA-TDNN of WeSpeaker"""
    scale = 8  # in all published models
    names = {"layer1.conv": "front.0", "layer1.bn": "front.2", "conv": "aggregate.0"}
    names |= {"pool.linear1": "pool.down", "pool.context": "pool.context", "pool.linear2": "pool.up"}
    names |= {"bn": "pool_norm", "linear": "embedding", "bn2": "embedding_norm"}
    for block in range(3):
        theirs, ours = f"layer{block + 2}.se_res2block", f"blocks.{block}.block"
        for k in (0, 2):
            names |= {f"{theirs}.{k}.conv": f"{ours}.{k}.0", f"{theirs}.{k}.bn": f"{ours}.{k}.2"}
        for k in range(scale - 1):
            names |= {f"{theirs}.1.convs.{k}": f"{ours}.1.convs.{k}.0", f"{theirs}.1.bns.{k}": f"{ours}.1.convs.{k}.2"}
        names |= {f"{theirs}.3.linear1": f"{ours}.3.down", f"{theirs}.3.linear2": f"{ours}.3.up"}

    channels, mels, _ = sizes(state, "layer1.conv.weight")
    attention, _, _ = sizes(state, "pool.linear1.weight")
    aggregate, _, _ = sizes(state, "pool.linear2.weight")
    dim, _ = sizes(state, "linear.weight")
    settings = {"name": "ecapa_tdnn", "channels": channels, "embedding_dim": dim, "aggregate": aggregate}
    settings |= {"scale": scale, "attention": attention, "stride": 1}
    split_context(state, "pool.linear1", "pool.context", aggregate)
    # There, the last of the Res2Net groups is not changed; here, it is the first.
    for name, value in state.items():
        if ".se_res2block.0." in name and value.ndim:
            state[name] = value.roll(channels // scale, 0)
    if "bn2.weight" not in state:
        state |= unit_norm("bn2", dim)
    return Converted(settings, mels, names, state)


def convert_speechbrain(state: State) -> Converted:
    """ECAPA-TDNN of 3D-Speaker"""
    names = {"blocks.0.conv.conv": "front.0", "blocks.0.norm.norm": "front.2"}
    names |= {"mfa.conv.conv": "aggregate.0", "mfa.norm.norm": "aggregate.2"}
    names |= {"asp.tdnn.conv.conv": "pool.down", "asp.tdnn.norm.norm": "pool.norm.1", "asp.conv.conv": "pool.up"}
    names |= {
        "asp.context": "pool.context",
        "asp_bn.norm": "pool_norm",
        "fc.conv": "embedding",
        "fc_bn": "embedding_norm",
    }
    scale = 1 + len(
        [name for name in state if re.fullmatch(r"blocks\.1\.res2net_block\.blocks\.\d+\.conv\.conv\.bias", name)]
    )
    for block in (1, 2, 3):
        ours = f"blocks.{block - 1}.block"
        parts = {"tdnn1": "0", "tdnn2": "2", **{f"res2net_block.blocks.{k}": f"1.convs.{k}" for k in range(scale - 1)}}
        for theirs, part in parts.items():
            names[f"blocks.{block}.{theirs}.conv.conv"] = f"{ours}.{part}.0"
            names[f"blocks.{block}.{theirs}.norm.norm"] = f"{ours}.{part}.2"
        names |= {f"blocks.{block}.se_block.{conv}.conv": f"{ours}.3.{way}" for conv, way in SQUEEZE.items()}

    channels, mels, _ = sizes(state, "blocks.0.conv.conv.weight")
    attention, _, _ = sizes(state, "asp.tdnn.conv.conv.weight")
    dim, statistics, _ = sizes(state, "fc.conv.weight")
    aggregate = statistics // 2
    settings = {"name": "ecapa_tdnn", "channels": channels, "embedding_dim": dim, "aggregate": aggregate}
    settings |= {"scale": scale, "attention": attention, "stride": 1, "speechbrain": True}
    for name, value in state.items():
        # There, the Res2Net group that is not changed comes out first; here, it comes out last.
        if name.endswith("tdnn2.conv.conv.weight"):
            state[name] = value.roll(-(channels // scale), 1)
        elif name.endswith(("conv1.conv.weight", "conv2.conv.weight", "fc.conv.weight")):
            state[name] = value.flatten(1)
    split_context(state, "asp.tdnn.conv.conv", "asp.context", aggregate)
    state |= unit_norm("fc_bn", dim)
    return Converted(settings, mels, names, state)


def split_context(state: State, module: str, context: str, aggregate: int) -> None:
    """Give mean and deviation a layer of their own in the attention. There, its input is [x; mean; deviation]."""
    weight = state[f"{module}.weight"]
    state[f"{module}.weight"], state[f"{context}.weight"] = weight[:, :aggregate], weight[:, aggregate:, 0]


def unit_norm(module: str, dim: int) -> State:
    """The entries of a batch norm that changes nothing."""
    norm = nn.BatchNorm1d(dim)
    norm.running_var -= norm.eps
    return {f"{module}.{name}": value for name, value in norm.state_dict().items()}


def convert_resnet(state: State) -> Converted:
    """ResNet of WeSpeaker, with one embedding layer"""
    deep = "layer1.0.conv3.weight" in state
    counts = [
        len([name for name in state if re.fullmatch(rf"layer{k}\.\d+\.conv1\.weight", name)]) for k in range(1, 5)
    ]
    kinds = {
        name: kind
        for name, kind in ENCODERS.items()
        if issubclass(kind, ResNet34) and deep == (kind.block is Bottleneck)
    }
    # Of another depth, the first entry that differs is named.
    name = min(kinds, key=lambda name: sum(abs(a - b) for a, b in zip(kinds[name].groups, counts)))
    names = {"conv1": "layers.0", "bn1": "layers.1", "seg_1": "embedding"}
    parts = {f"{layer}{k}": f"body.{3 * (k - 1) + (layer == 'bn')}" for k in (1, 2, 3) for layer in ("conv", "bn")}
    parts |= {"shortcut.0": "shortcut.0", "shortcut.1": "shortcut.1"}
    for layer, block in enumerate(blocks_of(kinds[name].groups), 3):
        names |= {f"{block}.{theirs}": f"layers.{layer}.{ours}" for theirs, ours in parts.items()}
    channels = sizes(state, "conv1.weight")[0]
    dim, statistics = sizes(state, "seg_1.weight")
    settings = {"name": name, "channels": channels, "embedding_dim": dim}
    # 2 statistics of 8 C maps, times 4 of a bottleneck, with F / 8 bins each
    mels = statistics // (2 * channels * kinds[name].block.expansion)
    return Converted(settings, mels, names, state)


def convert_eres2net(state: State) -> Converted:
    """ERes2Net of 3D-Speaker or WeSpeaker, with one embedding layer"""
    second = "layer3_ds.weight" in state
    fusion = {f"local_att.{k}": f"weigh.{k}" for k in (0, 1, 3, 4)}
    scale = len([name for name in state if re.fullmatch(r"layer1\.0\.convs\.\d+\.weight", name)])
    names = {"conv1": "stem.0", "bn1": "stem.1", "seg_1": "embedding"}
    parts = {"conv1": "first.0", "bn1": "first.1", "conv3": "last.0", "bn3": "last.1"}
    parts |= {"shortcut.0": "shortcut.0", "shortcut.1": "shortcut.1"}
    parts |= {
        f"fuse_models.{k}.{theirs}": f"fusions.{k}.{ours}" for k in range(scale) for theirs, ours in fusion.items()
    }
    for block in blocks_of(GROUPS):
        group, number = int(block[5]) - 1, block.split(".")[1]
        first = int(f"{block}.conv2_1.weight" in state)  # WeSpeaker names the first of a fused block's groups apart
        convs = {f"convs.{k}": f"convs.{k + first}.0" for k in range(scale)}
        convs |= {f"bns.{k}": f"convs.{k + first}.1" for k in range(scale)}
        if first:
            convs |= {"conv2_1": "convs.0.0", "bn2_1": "convs.0.1"}
        names |= {f"{block}.{theirs}": f"groups.{group}.{number}.{ours}" for theirs, ours in {**parts, **convs}.items()}
    joins = (
        {"layer3_ds": "fuse34"}
        if second
        else {f"layer{k}_downsample": f"fuse_mode{'1234'[: k + 1]}" for k in (1, 2, 3)}
    )
    for place, (down, join) in enumerate(joins.items()):
        names[down] = f"downs.{place}"
        names |= {f"{join}.{theirs}": f"fusions.{place}.{ours}" for theirs, ours in fusion.items()}

    channels = sizes(state, "conv1.weight")[0]
    expansion = sizes(state, "layer1.0.conv3.weight")[0] // channels
    # The widest group says the base width best: widths are rounded down.
    widest = sizes(state, "layer4.1.convs.0.weight")[0]
    dim, statistics = sizes(state, "seg_1.weight")
    settings = {"name": "eres2netv2" if second else "eres2net", "channels": channels, "embedding_dim": dim}
    settings |= {"scale": scale, "base_width": -(-64 * widest // (8 * channels)), "expansion": expansion}
    return Converted(settings, statistics // (2 * channels * expansion), names, state)


def blocks_of(groups: Sequence[int]) -> list[str]:
    """Names of the blocks of a ResNet, there: layer1.0, layer1.1, …"""
    return [f"layer{group}.{k}" for group, count in enumerate(groups, 1) for k in range(count)]


def sizes(state: State, name: str) -> torch.Size:
    """The shape of an entry."""
    if name not in state:
        raise RecipeError(f"it lacks {name}")
    return state[name].shape


Converter = Callable[[State], Converted]
# An entry that only this kind of encoder has, and the function that converts it.
CONVERTERS: dict[str, Converter] = {
    "xvector.tdnn.linear.weight": convert_campplus,  # before ResNet34, whose entry the front end of CAM++ has too
    "layer1.conv.weight": convert_ecapa,
    "layer1.0.convs.0.weight": convert_eres2net,  # before ResNet, too
    "layer1.0.conv1.weight": convert_resnet,
    "blocks.1.tdnn1.conv.conv.weight": convert_speechbrain,
}
