#!/usr/bin/env python3
"""Take over a published ECAPA-TDNN of WeSpeaker, its DINO's teacher for one, as a model.pt to begin stage 4 or 3 with.

WeSpeaker's ECAPA_TDNN_GLOB_c512 and _c1024 are this recipe's ecapa_tdnn but for the batch norm of the embedding, which
is set to do nothing, and the deviation in the attention's context, which divides by frames less one (0.25 % for 2 s).
Features are alike: 80 energies of 25 ms Hamming windows, int16 range, mean subtracted.

Reads   CHECKPOINT, a state dict (avg_model.pt, or model_N.pt with both networks, of which the teacher is taken).
Writes  MODEL, a model.pt

Example
    local/import_encoder.py avg_model.pt exp/voxceleb/dino/model.pt && ./run.sh --corpus voxceleb --stage 4
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "steps"))

import torch
from libs import cli, models
from libs.cli import RecipeError, log
from libs.config import load_config
from libs.encoders import build_encoder

FIRST = "layer1.conv.weight"
# WeSpeaker's names (wespeaker/models/ecapa_tdnn.py, pooling_layers.py) to ours, in this order.
NAMES = [
    (r"layer1\.conv\.", "front.0."),
    (r"layer1\.bn\.", "front.2."),
    (r"layer([234])\.se_res2block\.([02])\.conv\.", r"blocks.\1.block.\2.0."),
    (r"layer([234])\.se_res2block\.([02])\.bn\.", r"blocks.\1.block.\2.2."),
    (r"layer([234])\.se_res2block\.1\.convs\.(\d+)\.", r"blocks.\1.block.1.convs.\2.0."),
    (r"layer([234])\.se_res2block\.1\.bns\.(\d+)\.", r"blocks.\1.block.1.convs.\2.2."),
    (r"layer([234])\.se_res2block\.3\.linear1\.", r"blocks.\1.block.3.down."),
    (r"layer([234])\.se_res2block\.3\.linear2\.", r"blocks.\1.block.3.up."),
    (r"conv\.", "aggregate.0."),
    (r"pool\.linear1\.", "pool.down."),
    (r"pool\.linear2\.", "pool.up."),
    (r"bn\.", "pool_norm."),
    (r"linear\.", "embedding."),
]


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path)
    args = parser.parse_args()

    state = of_teacher(models.load(args.checkpoint), args.checkpoint)
    state = {ours(name, args.checkpoint): value for name, value in state.items()}
    config = describe(state)
    mels = state["front.0.weight"].shape[1]
    fbank = load_config("fbank", overrides=[f"num_mel_bins={mels}", "window=hamming"])
    encoder = build_encoder(config, mels)
    aggregate = state["pool.up.weight"].shape[0]
    # The attention's first layer sees [x; mean; deviation] there; here the two constants have a layer of their own.
    weight = state["pool.down.weight"]
    state["pool.down.weight"], context = weight[:, :aggregate], weight[:, aggregate:]
    state["pool.context.weight"] = context.squeeze(-1)
    # Of the Res2Net groups the last goes through unchanged there, the first here.
    for name, value in state.items():
        if re.match(r"blocks\.\d\.block\.0\.", name) and value.ndim:
            state[name] = value.roll(config["channels"] // config["scale"], 0)
    identity = {f"embedding_norm.{k}": v for k, v in encoder.embedding_norm.state_dict().items()}
    identity["embedding_norm.running_var"] -= encoder.embedding_norm.eps
    try:
        encoder.load_state_dict({**identity, **state})
    except RuntimeError as error:
        raise RecipeError(f"{args.checkpoint}: not WeSpeaker's ECAPA_TDNN_GLOB: {error}") from None
    args.model.parent.mkdir(parents=True, exist_ok=True)
    models.save_model(args.model, config, fbank, encoder.state_dict(), "wav")
    log.info("%s: C = %d, %d dimensions", args.model, config["channels"], config["embedding_dim"])


def of_teacher(contents: dict, path: Path) -> dict:
    """The encoder's entries without their prefix; of a student and a teacher the teacher's."""
    contents = contents.get("model", contents)
    prefixes = [name[: -len(FIRST)] for name in contents if name.endswith(FIRST)]
    prefixes = [p for p in prefixes if "t_model." in p] or prefixes
    if len(prefixes) != 1:
        raise RecipeError(f"{path}: {len(prefixes)} entries end in {FIRST}, of WeSpeaker's ECAPA_TDNN there is one")
    taken = {name: value for name, value in contents.items() if name.startswith(prefixes[0])}
    # Beside the encoder there may be a projection, which only its training needs.
    other = {re.sub(r"\..*", "", name[len(prefixes[0]) :]) for name in taken} & {"projection", "head"}
    log.info("%d of %d entries, under '%s'", len(taken), len(contents), prefixes[0])
    return {
        name[len(prefixes[0]) :]: value
        for name, value in taken.items()
        if name[len(prefixes[0]) :].split(".")[0] not in other
    }


def ours(name: str, path: Path) -> str:
    """Our name of an entry."""
    for theirs, here in NAMES:
        found = re.match(theirs, name)
        if found:
            here = re.sub(r"blocks\.(\d)", lambda m: f"blocks.{int(m[1]) - 2}", found.expand(here))
            return here + name[found.end() :]
    raise RecipeError(f"{path}: '{name}' is not of WeSpeaker's ECAPA_TDNN_GLOB without a batch norm of the embedding")


def describe(state: dict) -> dict:
    """The encoder section that has tensors of these shapes."""
    blocks = [name for name in state if re.fullmatch(r"blocks\.0\.block\.1\.convs\.\d+\.0\.weight", name)]
    return {
        "name": "ecapa_tdnn",
        "channels": state["front.0.weight"].shape[0],
        "embedding_dim": state["embedding.weight"].shape[0],
        "aggregate": state["pool.up.weight"].shape[0],
        "scale": len(blocks) + 1,
        "attention": state["pool.down.weight"].shape[0],
        "stride": 1,
    }


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    cli.run(main)
