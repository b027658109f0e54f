#!/usr/bin/env python3
"""Convert a published encoder to a model.pt of this recipe.

    family                            entries as in                  features as that toolkit trains
    CAM++ of 3D-Speaker               DTDNN.py, head. and xvector.   povey window, samples from -1 to 1
    CAM++ of WeSpeaker                the same, with projection.     hamming window, int16 samples
    ECAPA-TDNN of WeSpeaker           ECAPA_TDNN_GLOB_c512, _c1024   hamming window, int16 samples
    ResNet34 of WeSpeaker             one embedding layer            hamming window, int16 samples

The family is recognised by the names of the entries, its sizes by their shapes. All families subtract the mean of
each recording, as this recipe does. 3D-Speaker and WeSpeaker name the entries of CAM++ alike: without the head of a
training (projection.), the file counts as one of 3D-Speaker. --toolkit says it where you know better. A model.pt of
this recipe is checked and copied.

Differences to the originals: in ECAPA-TDNN, the standard deviation in the context of the attention divides by the
number of frames here, and by the number minus one in WeSpeaker (0.25 % for 2 s). An ECAPA-TDNN without batch norm of
the embedding (emb_bn) gets a batch norm that changes nothing.

Reads   CHECKPOINT, a state dict: campplus_cn_common.bin, avg_model.pt, or model_N.pt of DINO, whose teacher is
        converted. No code in the file is executed.
Writes  MODEL, a model.pt

Example
    local/import_encoder.py avg_model.pt exp/voxceleb/dino/model.pt && ./run.sh --corpus voxceleb --stage 3
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from torch import nn

from dlglc import console
from dlglc.console import log
from dlglc.encoders import build_encoder
from dlglc.encoders.campplus import BLOCKS
from dlglc.encoders.models import load_model, save_model
from dlglc.errors import RecipeError
from dlglc.files import load_tensors
from dlglc.settings import load_settings
from dlglc.settings.messages import explain
from dlglc.settings.schema import DinoSettings, EncoderSettings, FbankSettings

HEADS = ("projection", "projection_head")  # of supervised training and of DINO; the encoder does not need them
FEATURES = {
    "3dspeaker": ["window=povey", "full_scale=1"],
    "wespeaker": ["window=hamming", "full_scale=32768"],
}

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


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument(
        "--toolkit", choices=list(FEATURES), help="that trained the encoder (default: by the entries, see above)"
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path)
    args = parser.parse_args()

    contents = load_tensors(args.checkpoint)
    if isinstance(contents, dict) and {"encoder", "fbank", "state"} <= contents.keys():
        config, fbank, encoder = own_model(args.checkpoint)
    else:
        try:
            config, fbank, encoder = convert(contents, args.toolkit)
        except RecipeError as error:
            raise RecipeError(f"{args.checkpoint}: {error}") from None
    args.model.parent.mkdir(parents=True, exist_ok=True)
    save_model(args.model, config, fbank, encoder.state_dict(), "wav")
    features = f"{fbank.num_mel_bins} mel bins, {fbank.window} window, full scale {fbank.full_scale}"
    log.info(
        "%s: %s, C = %d, %d dimensions; %s", args.model, config.name, config.channels, config.embedding_dim, features
    )


def own_model(path: Path) -> tuple[EncoderSettings, FbankSettings, nn.Module]:
    """A model.pt of this recipe.

    Raises:
        RecipeError: as load_model; the model takes features of stage 2, whose settings it does not know.
    """
    model = load_model(path)
    if model.input != "wav":
        raise RecipeError(f"{path}: this model was trained with input: feats; a model to start from needs input: wav")
    return model.encoder_settings, model.fbank_settings, model.encoder


@torch.no_grad()
def convert(contents: dict[str, Any], toolkit: str | None = None) -> tuple[EncoderSettings, FbankSettings, nn.Module]:
    """Convert the contents of a checkpoint.

    Args:
        contents: a state dict, or a dict that has one as "model".
        toolkit: 3dspeaker or wespeaker, whose features the encoder takes; None = by the entries.

    Returns:
        The settings of the encoder, the settings of its features, and the encoder.

    Raises:
        RecipeError: the checkpoint has no encoder that can be converted. The message names the first entry that is
            missing, unknown, of another shape or not finite.
    """
    family, theirs, found = find_encoder(contents)
    settings, mels, names, theirs = family(theirs)
    default = load_settings(DinoSettings).encoder.model_dump()
    try:
        config = EncoderSettings.model_validate(default | settings)
    except ValidationError as error:
        raise RecipeError(f"not {family.__doc__}: {explain(error, EncoderSettings, {})}") from None
    fbank = load_settings(FbankSettings, words=[f"num_mel_bins={mels}", *FEATURES[toolkit or found]])
    encoder = build_encoder(config, mels)
    their_names = {ours: name for name, ours in names.items()}
    wanted = {rename(entry, their_names): (entry, value) for entry, value in encoder.state_dict().items()}
    if problem := first_difference({name: value for name, (_, value) in wanted.items()}, theirs):
        raise RecipeError(f"not {family.__doc__}: {problem}")
    encoder.load_state_dict({wanted[name][0]: value for name, value in theirs.items()})
    return config, fbank, encoder


def first_difference(wanted: State, found: State) -> str:
    """What the first entry that differs is like; empty if there is none."""
    for name, value in wanted.items():
        if name not in found:
            return f"it lacks {name}"
        if found[name].shape != value.shape:
            return f"{name} has shape {tuple(found[name].shape)}, expected {tuple(value.shape)}"
        if not found[name].isfinite().all():
            return f"{name} has values that are not finite"
    more = next((name for name in found if name not in wanted), None)
    return f"it also has {more}" if more else ""


def rename(entry: str, names: dict[str, str]) -> str:
    """The name of an entry when its module is renamed."""
    module, _, leaf = entry.rpartition(".")
    return f"{names[module]}.{leaf}"


def find_encoder(contents: dict[str, Any]) -> tuple["Converter", State, str]:
    """The function that converts the encoder, its entries without their prefix, and the toolkit that trained it."""
    contents = contents.get("model", contents) if isinstance(contents, dict) else {}
    tensors = {name: value for name, value in contents.items() if isinstance(value, torch.Tensor)}
    for first, converter in CONVERTERS.items():
        prefixes = [name.removesuffix(first) for name in tensors if f".{name}".endswith(f".{first}")]
        prefixes = [p for p in prefixes if p.endswith("t_model.")] or prefixes
        if len(prefixes) == 1:
            taken = {n.removeprefix(prefixes[0]): v for n, v in tensors.items() if n.startswith(prefixes[0])}
            log.info(
                "%s: %d of %d entries, with the prefix '%s'", converter.__doc__, len(taken), len(contents), prefixes[0]
            )
            state = {name: value for name, value in taken.items() if name.split(".")[0] not in HEADS}
            toolkit = "3dspeaker" if converter is convert_campplus and len(state) == len(taken) else "wespeaker"
            return converter, state, toolkit
    raise RecipeError(
        f"no encoder of a known family: no single entry ends in {', '.join(CONVERTERS)}; the first entry is "
        f"'{next(iter(contents), 'none')}'"
    )


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
    # There, the input of the attention's first layer is [x; mean; deviation]. Here, mean and deviation have a layer of
    # their own.
    weight = state["pool.linear1.weight"]
    state["pool.linear1.weight"], state["pool.context.weight"] = weight[:, :aggregate], weight[:, aggregate:, 0]
    # There, the last of the Res2Net groups is not changed; here, it is the first.
    for name, value in state.items():
        if ".se_res2block.0." in name and value.ndim:
            state[name] = value.roll(channels // scale, 0)
    if "bn2.weight" not in state:
        norm = nn.BatchNorm1d(dim)
        norm.running_var -= norm.eps
        state |= {f"bn2.{name}": value for name, value in norm.state_dict().items()}
    return Converted(settings, mels, names, state)


def convert_resnet(state: State) -> Converted:
    """ResNet34 of WeSpeaker, with one embedding layer"""
    names = {"conv1": "layers.0", "bn1": "layers.1", "seg_1": "embedding"}
    parts = {"conv1": "body.0", "bn1": "body.1", "conv2": "body.3", "bn2": "body.4"}
    parts |= {"shortcut.0": "shortcut.0", "shortcut.1": "shortcut.1"}
    blocks = [f"layer{stage}.{k}" for stage, count in enumerate((3, 4, 6, 3), 1) for k in range(count)]
    for layer, block in enumerate(blocks, 3):
        names |= {f"{block}.{theirs}": f"layers.{layer}.{ours}" for theirs, ours in parts.items()}
    channels = sizes(state, "conv1.weight")[0]
    dim, statistics = sizes(state, "seg_1.weight")
    settings = {"name": "resnet34", "channels": channels, "embedding_dim": dim}
    mels = statistics // (2 * channels)  # 2 statistics of 8 C channels with F / 8 bins each
    return Converted(settings, mels, names, state)


def sizes(state: State, name: str) -> torch.Size:
    """The shape of an entry."""
    if name not in state:
        raise RecipeError(f"not an encoder of this family: it lacks {name}")
    return state[name].shape


Converter = Callable[[State], Converted]
# An entry that only this kind of encoder has, and the function that converts it.
CONVERTERS: dict[str, Converter] = {
    "xvector.tdnn.linear.weight": convert_campplus,  # before ResNet34, whose entry the front end of CAM++ has too
    "layer1.conv.weight": convert_ecapa,
    "layer1.0.conv1.weight": convert_resnet,
}

if __name__ == "__main__":
    console.run(main)
