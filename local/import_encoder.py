#!/usr/bin/env python3
"""Convert a published encoder to a model.pt of this recipe.

    family                            entries as in                  features as that toolkit trains
    CAM++ of 3D-Speaker               DTDNN.py, head. and xvector.   povey window, samples from -1 to 1
    CAM++ of WeSpeaker                the same, with projection.     hamming window, int16 samples
    ECAPA-TDNN of WeSpeaker           ECAPA_TDNN_GLOB_c512, _c1024   hamming window, int16 samples
    ECAPA-TDNN of 3D-Speaker          ECAPA_TDNN.py, blocks.         povey window, samples from -1 to 1
    ResNet34, 221, 293 of WeSpeaker   one embedding layer            hamming window, int16 samples
    ERes2Net, V2 of 3D-Speaker        ERes2Net.py, ERes2NetV2.py     povey window, samples from -1 to 1
    ERes2Net of WeSpeaker             the same, with conv2_1         hamming window, int16 samples

The family is recognised by the names of the entries, its sizes by their shapes. All families subtract the mean of
each recording, as this recipe does. 3D-Speaker and WeSpeaker name the entries of CAM++ alike: without the head of a
training (projection.), the file counts as one of 3D-Speaker. --toolkit says it where you know better, and must be given
for ECAPA-TDNN of 3D-Speaker: SpeechBrain's own models have the same entries and other features. ResNets count as
those of WeSpeaker. A model.pt of this recipe is checked and copied.

Differences to the originals: in ECAPA-TDNN, the standard deviation in the context of the attention divides by the
number of frames here, and by the number minus one in WeSpeaker (0.25 % for 2 s). An ECAPA-TDNN without batch norm of
the embedding (emb_bn) gets a batch norm that changes nothing.

An ONNX file of these families is checked and copied. It can be used but not trained. The name of its input says the
toolkit: feats is WeSpeaker's, feature 3D-Speaker's, waveform this recipe's. Files of sherpa-onnx say it themselves.

Reads   CHECKPOINT, a state dict: campplus_cn_common.bin, avg_model.pt, or model_N.pt of DINO, whose teacher is
        converted. No code in the file is executed.
Writes  MODEL, a model.pt; of an ONNX file, MODEL (….onnx) and a .json beside it

Example
    local/import_encoder.py avg_model.pt exp/voxceleb/dino/model.pt && ./run.sh --corpus voxceleb --stage 3
"""

from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from dlglc import console
from dlglc.console import log
from dlglc.encoders import build_encoder
from dlglc.encoders.models import load_model, save_model
from dlglc.encoders.onnx_file import FEATURES, OnnxModel, import_onnx
from dlglc.errors import RecipeError
from dlglc.files import load_tensors
from dlglc.settings import load_settings
from dlglc.settings.messages import explain
from dlglc.settings.schema import DinoSettings, EncoderSettings, FbankSettings
from families import CONVERTERS, Converter, State, convert_campplus, convert_eres2net, convert_speechbrain

HEADS = ("projection", "projection_head")  # of supervised training and of DINO; the encoder does not need them


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument(
        "--toolkit", choices=list(FEATURES), help="that trained the encoder (default: by the entries, see above)"
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("model", type=Path)
    args = parser.parse_args()

    if args.checkpoint.suffix == ".onnx":
        describe_onnx(args.model, import_onnx(args.checkpoint, args.model, args.toolkit))
        return
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


def describe_onnx(path: Path, found: OnnxModel) -> None:
    """A line in the log on an ONNX file."""
    encoder, fbank = found.encoder, found.fbank_settings
    window = f"{fbank.num_mel_bins} mel bins, {fbank.window} window, full scale {fbank.full_scale}"
    features = "a waveform goes in" if encoder.waveform else window
    log.info("%s: frozen, %d dimensions; %s", path, encoder.embedding_dim, features)


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
    toolkit = toolkit or found
    if not toolkit:
        raise RecipeError(
            "an ECAPA-TDNN with SpeechBrain's names: its entries do not say who trained it. If it is of 3D-Speaker, "
            "pass --toolkit 3dspeaker. SpeechBrain's own models take other features and cannot be used"
        )
    kind = str(family.__doc__)
    try:
        settings, mels, names, theirs = family(theirs)
    except RecipeError as error:
        raise RecipeError(f"not {kind}: {error}") from None
    default = load_settings(DinoSettings).encoder.model_dump()
    try:
        config = EncoderSettings.model_validate(default | settings)
    except ValidationError as error:
        raise RecipeError(f"not {kind}: {explain(error, EncoderSettings, {})}") from None
    fbank = load_settings(FbankSettings, words=[f"num_mel_bins={mels}", *FEATURES[toolkit]])
    encoder = build_encoder(config, mels)
    their_names = {ours: name for name, ours in names.items()}
    wanted = {rename(entry, their_names): (entry, value) for entry, value in encoder.state_dict().items()}
    if problem := first_difference({name: value for name, (_, value) in wanted.items()}, theirs):
        raise RecipeError(f"not {kind} ({config.name}): {problem}")
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


def find_encoder(contents: dict[str, Any]) -> tuple[Converter, State, str]:
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
            return converter, state, toolkit_of(converter, taken)
    raise RecipeError(
        f"no encoder of a known family: no single entry ends in {', '.join(CONVERTERS)}; the first entry is "
        f"'{next(iter(contents), 'none')}'"
    )


def toolkit_of(converter: Converter, state: State) -> str:
    """The toolkit that trained an encoder; empty if the entries do not say so."""
    if converter is convert_speechbrain:
        return ""
    if converter is convert_campplus:
        return "wespeaker" if any(name.split(".")[0] in HEADS for name in state) else "3dspeaker"
    return "3dspeaker" if converter is convert_eres2net and "layer3.0.conv2_1.weight" not in state else "wespeaker"


if __name__ == "__main__":
    console.run(main)
