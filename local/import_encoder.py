#!/usr/bin/env python3
"""Take over a published encoder of WeSpeaker, its DINO's teacher for one, as a model.pt in the place of DINO's.

ECAPA_TDNN_GLOB_c512 and _c1024 become ecapa_tdnn, ResNet34 with one embedding layer becomes resnet34. An ECAPA-TDNN
without batch norm of the embedding (emb_bn) gets one that does nothing. One thing differs: the deviation in its
attention's context divides by frames here, by frames less one there (0.25 % for 2 s). Features are alike: energies of
25 ms Hamming windows, int16 range, mean subtracted.

Reads   CHECKPOINT, a state dict (avg_model.pt, or DINO's model_N.pt with both networks, of which the teacher is taken).
Writes  MODEL, a model.pt

Example
    local/import_encoder.py avg_model.pt exp/voxceleb/dino/model.pt && ./run.sh --corpus voxceleb --stage 3
"""

from pathlib import Path

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

HEADS = ("projection", "projection_head")  # which only training needs: the supervised one's and DINO's


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
    """A checkpoint's contents to the encoder's settings, those of its features, and the encoder.

    Raises:
        RecipeError: anything but one encoder that is known here, with each of its entries and no other.
    """
    take, theirs = find_encoder(contents)
    settings, mels, names, theirs = take(theirs)
    default = load_settings(DinoSettings).encoder.model_dump()
    try:
        config = EncoderSettings.model_validate(default | settings)
    except ValidationError as error:
        raise RecipeError(f"not {take.__doc__}: {explain(error, EncoderSettings, {})}") from None
    fbank = load_settings(FbankSettings, words=[f"num_mel_bins={mels}", "window=hamming"])
    encoder = build_encoder(config, mels)
    back = {ours: name for name, ours in names.items()}
    wanted = {rename(entry, back): entry for entry in encoder.state_dict()}
    for what, entries in (("lacks", wanted.keys() - theirs.keys()), ("has besides", theirs.keys() - wanted.keys())):
        if entries:
            raise RecipeError(f"not {take.__doc__}: it {what} {', '.join(sorted(entries))}")
    try:
        encoder.load_state_dict({wanted[name]: value for name, value in theirs.items()})
    except RuntimeError as error:
        raise RecipeError(f"not {take.__doc__}: {error}") from None
    return config, fbank, encoder


def rename(entry: str, names: dict[str, str]) -> str:
    """An entry's name under another name of its module."""
    module, _, leaf = entry.rpartition(".")
    return f"{names[module]}.{leaf}"


def find_encoder(contents: dict):
    """The function below that takes the encoder over, and its entries without prefix and head."""
    contents = contents.get("model", contents) if isinstance(contents, dict) else {}
    for first, take in FIRST.items():
        prefixes = [name.removesuffix(first) for name in contents if name.endswith(first)]
        prefixes = [p for p in prefixes if p.endswith("t_model.")] or prefixes
        if len(prefixes) == 1:
            taken = {n.removeprefix(prefixes[0]): v for n, v in contents.items() if n.startswith(prefixes[0])}
            log.info("%s: %d of %d entries, names begin '%s'", take.__doc__, len(taken), len(contents), prefixes[0])
            return take, {name: value for name, value in taken.items() if name.split(".")[0] not in HEADS}
    raise RecipeError(f"not one encoder of WeSpeaker: no single entry ends in {' or '.join(FIRST)}")


def take_ecapa(state: dict):
    """WeSpeaker's ECAPA_TDNN_GLOB"""
    scale = 8  # in all that it publishes
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
    # The attention's first layer sees [x; mean; deviation] there; here the two constants have a layer of their own.
    weight = state["pool.linear1.weight"]
    state["pool.linear1.weight"], state["pool.context.weight"] = weight[:, :aggregate], weight[:, aggregate:, 0]
    # Of the Res2Net groups the last goes through unchanged there, the first here.
    for name, value in state.items():
        if ".se_res2block.0." in name and value.ndim:
            state[name] = value.roll(channels // scale, 0)
    if "bn2.weight" not in state:
        norm = nn.BatchNorm1d(dim)
        norm.running_var -= norm.eps
        state |= {f"bn2.{name}": value for name, value in norm.state_dict().items()}
    return settings, mels, names, state


def take_resnet(state: dict):
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
    return settings, statistics // (2 * channels), names, state  # 2 statistics of 8 C channels, F / 8 each


def sizes(state: dict, name: str) -> torch.Size:
    if name not in state:
        raise RecipeError(f"not an encoder of WeSpeaker: it lacks {name}")
    return state[name].shape


FIRST = {"layer1.conv.weight": take_ecapa, "layer1.0.conv1.weight": take_resnet}  # an entry by which each is known

if __name__ == "__main__":
    console.run(main)
