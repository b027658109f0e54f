"""A small system with real voices, and the bundles of it: with labelled trials, and without."""

import itertools
from pathlib import Path
from typing import NamedTuple

import torch

from dlglc.bundles.making import Request, make_bundle
from dlglc.data.tables import write_data_dir, write_table
from dlglc.encoders import build_encoder
from dlglc.encoders.models import save_model
from dlglc.extraction import extract_embeddings
from dlglc.files import write_lines
from dlglc.settings import load_settings
from dlglc.settings.schema import BackendSettings, DinoSettings, FbankSettings

SPEAKERS, UTTERANCES = 14, 2


class Bundles(NamedTuple):
    """What make_bundles made.

    Attributes:
        system: directory of a system with an encoder of random weights, which tells some voices apart all the same.
        data: data directory with the sets train and eval, which are the same.
        labelled, unlabelled: bundles with thresholds from trials, and from clusters.
        speech: recordings by speaker.
    """

    system: Path
    data: Path
    labelled: Path
    unlabelled: Path
    speech: list[list[Path]]


def settings() -> BackendSettings:
    """conf/backend.yaml."""
    return load_settings(BackendSettings)


def request(made: Bundles, **changes) -> Request:
    """What a bundle is made of."""
    return Request(made.system, made.data, "auto", 2000, ["Read speech."], 0, "1.2.3")._replace(**changes)


def bundles_in(top: Path, speech: list[list[Path]]) -> Bundles:
    """The paths of the bundles in a folder."""
    kept = [utterances[:UTTERANCES] for utterances in speech if len(utterances) >= UTTERANCES][:SPEAKERS]
    return Bundles(top / "exp/small", top / "data/small", top / "labelled.dlglc", top / "unlabelled.dlglc", kept)


def make_bundles(top: Path, speech: list[list[Path]]) -> None:
    """Write the system, its data and both bundles below a folder."""
    made = bundles_in(top, speech)
    wav = {f"s{s:02d}-u{u}": str(path) for s, paths in enumerate(made.speech) for u, path in enumerate(paths)}
    truth = {utt: utt.split("-")[0] for utt in wav}
    for part in ("train", "eval"):
        write_data_dir(made.data / part, wav, truth, **{"utt2spk.truth": truth})
    torch.manual_seed(0)
    encoder = load_settings(DinoSettings, None, ["encoder.channels=16", "encoder.embedding_dim=24"]).encoder
    network = build_encoder(encoder, 80)
    save_model(made.system / "model.pt", encoder, load_settings(FbankSettings), network.state_dict(), "wav")
    for part in ("train", "eval"):
        extract_embeddings(made.system / "model.pt", made.data / part, made.system / part, 20000, "cpu")
    write_table(made.system / "clusters/utt2cluster", {utt: int(name[1:]) for utt, name in truth.items()})
    make_bundle(request(made), settings(), made.unlabelled)
    pairs = itertools.combinations(wav, 2)
    lines = [f"{a} {b} {'target' if truth[a] == truth[b] else 'nontarget'}" for a, b in pairs]
    write_lines(made.data / "eval/trials", lines)
    make_bundle(request(made), settings(), made.labelled)
