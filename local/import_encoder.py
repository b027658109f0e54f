#!/usr/bin/env python3
"""Convert a published encoder of WeSpeaker, for example the teacher of its DINO, to a model.pt of this recipe.

ECAPA_TDNN_GLOB_c512 and _c1024 become ecapa_tdnn. ResNet34 with one embedding layer becomes resnet34. An ECAPA-TDNN
without batch norm of the embedding (emb_bn) gets a batch norm that changes nothing.

The features are the same: energies of 25 ms Hamming windows, int16 range, mean subtracted. There is one difference in
ECAPA-TDNN: the standard deviation in the context of the attention divides by the number of frames here, and by the
number minus one in WeSpeaker (0.25 % for 2 s).

Reads   CHECKPOINT, a state dict: avg_model.pt, or model_N.pt of DINO, whose teacher is converted.
Writes  MODEL, a model.pt

Example
    local/import_encoder.py avg_model.pt exp/voxceleb/dino/model.pt && ./run.sh --corpus voxceleb --stage 3
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from dlglc import console
from dlglc.console import log
from dlglc.encoders import build_encoder
from dlglc.encoders.models import save_model
from dlglc.errors import RecipeError
from dlglc.files import load_tensors
from dlglc.settings import load_settings
from dlglc.settings.messages import explain
from dlglc.settings.schema import DinoSettings, EncoderSettings, FbankSettings

HEADS = ("projection", "projection_head")  # of supervised training and of DINO; the encoder does not need them


State = dict[str, torch.Tensor]
# Settings of the encoder, number of mel bins, module names (theirs → ours), state dict with their names.
Converted = tuple[dict[str, Any], int, dict[str, str], State]
Converter = Callable[[State], Converted]


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path)
    args = parser.parse_args()

    contents = load_tensors(args.checkpoint)
    try:
        config, fbank, encoder = convert(contents)
    except RecipeError as error:
        raise RecipeError(f"{args.checkpoint}: {error}") from None
    args.model.parent.mkdir(parents=True, exist_ok=True)
    save_model(args.model, config, fbank, encoder.state_dict(), "wav")
    log.info("%s: %s, C = %d, %d dimensions", args.model, config.name, config.channels, config.embedding_dim)


@torch.no_grad()
def convert(contents: dict) -> tuple[EncoderSettings, FbankSettings, nn.Module]:
    """Convert the contents of a checkpoint.

    Returns:
        The settings of the encoder, the settings of its features, and the encoder.

    Raises:
        RecipeError: the checkpoint has no encoder that can be converted, or an entry is missing or unknown.
    """
    converter, theirs = find_encoder(contents)
    settings, mels, names, theirs = converter(theirs)
    default = load_settings(DinoSettings).encoder.model_dump()
    try:
        config = EncoderSettings.model_validate(default | settings)
    except ValidationError as error:
        raise RecipeError(f"not {converter.__doc__}: {explain(error, EncoderSettings, {})}") from None
    fbank = load_settings(FbankSettings, words=[f"num_mel_bins={mels}", "window=hamming"])
    encoder = build_encoder(config, mels)
    their_names = {ours: name for name, ours in names.items()}
    wanted = {rename(entry, their_names): entry for entry in encoder.state_dict()}
    for what, entries in (("lacks", wanted.keys() - theirs.keys()), ("also has", theirs.keys() - wanted.keys())):
        if entries:
            raise RecipeError(f"not {converter.__doc__}: it {what} {', '.join(sorted(entries))}")
    try:
        encoder.load_state_dict({wanted[name]: value for name, value in theirs.items()})
    except RuntimeError as error:
        raise RecipeError(f"not {converter.__doc__}: {error}") from None
    return config, fbank, encoder


def rename(entry: str, names: dict[str, str]) -> str:
    """The name of an entry when its module is renamed."""
    module, _, leaf = entry.rpartition(".")
    return f"{names[module]}.{leaf}"


def find_encoder(contents: dict[str, Any]) -> tuple[Converter, State]:
    """The function that converts the encoder of a checkpoint, and the entries of the encoder without their prefix."""
    contents = contents.get("model", contents) if isinstance(contents, dict) else {}
    for first, converter in CONVERTERS.items():
        prefixes = [name.removesuffix(first) for name in contents if name.endswith(first)]
        prefixes = [p for p in prefixes if p.endswith("t_model.")] or prefixes
        if len(prefixes) == 1:
            taken = {n.removeprefix(prefixes[0]): v for n, v in contents.items() if n.startswith(prefixes[0])}
            log.info(
                "%s: %d of %d entries, with the prefix '%s'", converter.__doc__, len(taken), len(contents), prefixes[0]
            )
            return converter, {name: value for name, value in taken.items() if name.split(".")[0] not in HEADS}
    raise RecipeError(f"not one encoder of WeSpeaker: no single entry ends in {' or '.join(CONVERTERS)}")


def convert_ecapa(state: State) -> Converted:
    """WeSpeaker's ECAPA_TDNN_GLOB"""
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
    return settings, mels, names, state


def convert_resnet(state: State) -> Converted:
    """WeSpeaker's ResNet34 with one embedding layer"""
    names = {"conv1": "layers.0", "bn1": "layers.1", "seg_1": "embedding"}
    parts = {"conv1": "body.0", "bn1": "body.1", "conv2": "body.3", "bn2": "body.4"}
    parts |= {"shortcut.0": "shortcut.0", "shortcut.1": "shortcut.1"}
    blocks = [f"layer{stage}.{k}" for stage, count in enumerate((3, 4, 6, 3), 1) for k in range(count)]
    for layer, block in enumerate(blocks, 3):
        names |= {f"{block}.{theirs}": f"layers.{layer}.{ours}" for theirs, ours in parts.items()}
    channels = sizes(state, "conv1.weight")[0]
    dim, statistics = sizes(state, "seg_1.weight")
    settings = {"name": "resnet34", "channels": channels, "embedding_dim": dim}
    return settings, statistics // (2 * channels), names, state  # 2 statistics of 8 C channels with F / 8 bins each


def sizes(state: State, name: str) -> torch.Size:
    """The shape of an entry."""
    if name not in state:
        raise RecipeError(f"not an encoder of WeSpeaker: it lacks {name}")
    return state[name].shape


# An entry that only this kind of encoder has, and the function that converts it.
CONVERTERS: dict[str, Converter] = {"layer1.conv.weight": convert_ecapa, "layer1.0.conv1.weight": convert_resnet}

if __name__ == "__main__":
    console.run(main)
