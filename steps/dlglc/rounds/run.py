"""A round from pseudo labels to model.pt (steps/train_dlglc.py)."""

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from ..arrays import Array
from ..console import log
from ..data.audio import Recordings
from ..data.augment import Augmenter
from ..data.crops import AnyCrops, Crops, FeatureCrops, SomeCrops, open_crops
from ..data.fbank import encoder_input
from ..data.views import Views
from ..encoders.halves import Halves, LastParts
from ..encoders.hidden import check_hidden
from ..encoders.models import Model, load_model, save_model
from ..errors import RecipeError
from ..extraction import equal_lengths, open_utterances, run_encoder
from ..provenance import Stamp
from ..settings.schema import AugmentSettings, DlglcSettings
from ..training.distributed import Processes
from ..training.options import TrainingOptions
from ..training.run import input_files, open_augmenter, train
from ..training.task import State
from .held_out import HeldOut, split_clusters
from .labels import cluster_means, read_labels
from .task import DlgLc

BATCH_FRAMES = 6000  # of whole utterances in a forward pass


class RoundFiles(NamedTuple):
    """The input files of a round.

    Attributes:
        data_dir: training data directory.
        utt2cluster: pseudo labels of its utterances.
        model: model.pt whose encoder the round starts from.
        embedding_scp: embeddings of data_dir by that model, for `classifier: centroids`.
        hidden_dir: folder with its hidden.scp, for `adapt.cache`.
    """

    data_dir: Path
    utt2cluster: Path
    model: Path
    embedding_scp: Path | None
    hidden_dir: Path | None


def train_round(
    settings: DlglcSettings,
    augment: AugmentSettings,
    files: RoundFiles,
    round_number: int,
    options: TrainingOptions,
) -> None:
    """Train an encoder on pseudo labels with gate and correction, and write model.pt.

    Args:
        settings: of conf/dlglc.yaml.
        augment: of conf/augment.yaml; augment_probability of conf/dlglc.yaml replaces its probability.
        files: the input files.
        round_number: from 1.
        options: where and how the training runs.
    """
    augment = augment.model_copy(update={"probability": settings.augment_probability})
    model = load_model(files.model)
    augmenter = open_augmenter(augment, options, model.fbank.sample_rate)
    # The round is part of the seed, so that each round draws other crops.
    seed = int(hashlib.sha256(f"{options.seed} {round_number}".encode()).hexdigest()[:8], 16)
    adapt, bins = settings.adapt, model.fbank.num_mel_bins
    halves = Halves(model.encoder, bins, adapt.trained_parts) if adapt.cache else None
    network = LastParts(halves) if halves else model.encoder
    every = open_views(settings, files, model, halves, augmenter, 1, seed)
    crops: AnyCrops = every
    labels, classes = read_labels(files.utt2cluster, every.ids, files.data_dir)
    split = split_clusters(labels, adapt.held_out, seed) if adapt.held_out else None
    others = None
    if split:
        others = open_views(settings, files, model, halves, None, 2, seed), split.held, labels[split.held]
        crops, labels, classes = SomeCrops(every, split.rows), split.labels, len(split.clusters)
    centroids = initial_weights(settings, files.embedding_scp, crops.ids, labels, classes)
    record = {"dlglc": settings, "augment": augment, "seed": options.seed, "round": round_number}
    used = [None if centroids is None else files.embedding_scp, files.hidden_dir and files.hidden_dir / "hidden.scp"]
    inputs = input_files(files.data_dir, settings.input, options, files.utt2cluster, files.model, *used)
    stamp = Stamp(options.out_dir / "stamp.json", record, inputs, [options.out_dir / "model.pt"])

    def save(name: str, state: State) -> None:
        save_model(options.out_dir / name, model.encoder_settings, model.fbank_settings, state, settings.input)

    def make_task(processes: Processes) -> DlgLc:
        log.info("%d utterances in %d clusters", len(labels), classes)
        augments = augmenter if settings.input == "wav" else None
        views = Views(model.fbank.to(processes.device), augments, hidden=halves is not None)
        held_out = HeldOut(*others, views) if others else None
        embed = None
        if settings.correction.mode == "utterance":
            embed = whole_utterances(model, files.data_dir, settings.input, processes, split.rows if split else None)
        return DlgLc(
            settings, model.encoder, labels, classes, centroids, views, round_number, processes, options.out_dir,
            network, held_out, split, embed, seed,
        )  # fmt: skip

    train(options, settings, stamp, seed, crops, make_task, save)


def open_views(
    settings: DlglcSettings,
    files: RoundFiles,
    model: Model,
    halves: Halves | None,
    augmenter: Augmenter | None,
    count: int,
    seed: int,
) -> Crops | FeatureCrops:
    """The crops of the training set, `count` for each utterance: of hidden.scp if there are halves of an encoder.

    Raises:
        RecipeError: there is no hidden.scp, or it is of another encoder.
    """
    views = [(count, settings.crop_seconds)]
    if halves is None:
        return open_crops(settings.input, files.data_dir, model.fbank, augmenter, views, seed)
    if files.hidden_dir is None:
        raise RecipeError("adapt.cache: true needs --hidden, the folder of hidden.scp")
    crops = FeatureCrops(files.hidden_dir, model.fbank, views, seed, (halves.stride, math.prod(halves.shape)))
    recordings = Recordings(files.data_dir, model.fbank.sample_rate)
    utt = recordings.ids[0]
    with torch.no_grad():
        now = halves.frames(encoder_input(torch.from_numpy(recordings.read(0))[None], model.fbank))[0]
    check_hidden(crops.scp, utt, crops.load(list(crops.ids).index(utt)), now)
    return crops


def whole_utterances(
    model: Model, data_dir: Path, inputs: str, processes: Processes, rows: Array | None
) -> Callable[[], Array]:
    """A function that embeds whole utterances with the model's encoder. The processes share the work.

    Args:
        rows: of the data directory that are wanted, in this order; None = all.
    """
    utterances = open_utterances(data_dir, inputs, model.fbank)
    groups = list(equal_lengths(utterances.num_frames, BATCH_FRAMES))[processes.rank :: processes.world]
    encoder, device = model.encoder, processes.device

    def embeddings() -> Array:
        fbank = model.fbank.to(device) if inputs == "wav" else None
        with torch.inference_mode():
            mine = run_encoder(
                utterances, groups, encoder.embedding_dim, device, lambda x, ids: encoder(encoder_input(x, fbank))
            )
        every: Array = processes.sum(torch.from_numpy(mine).to(device)).cpu().numpy()
        return every if rows is None else every[rows]

    return embeddings


def initial_weights(
    settings: DlglcSettings, embedding_scp: Path | None, ids: Sequence[str], labels: Array, classes: int
) -> Array | None:
    """The class weights that the setting `classifier` asks for, (K, D); None = random ones."""
    if settings.classifier != "centroids":
        return None
    if embedding_scp is None:
        raise RecipeError("classifier: centroids needs --embeddings, the training set's embedding.scp by MODEL")
    return cluster_means(embedding_scp, ids, labels, classes)
