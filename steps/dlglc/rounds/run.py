"""A round from pseudo labels to model.pt (steps/train_dlglc.py)."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from ..arrays import Array
from ..console import log
from ..data.columns import Column
from ..data.crops import open_crops
from ..data.views import Views
from ..encoders.models import Model, load_model, save_model
from ..errors import RecipeError
from ..extraction import embed, equal_lengths, open_utterances
from ..provenance import Stamp
from ..settings.schema import AugmentSettings, DlglcSettings
from ..training.distributed import Processes
from ..training.options import TrainingOptions
from ..training.run import input_files, open_augmenter, train
from ..training.task import State
from .labels import cluster_means, read_labels
from .task import DlgLc

BATCH_FRAMES = 6000  # of whole utterances in a forward pass


def train_round(
    settings: DlglcSettings,
    augment: AugmentSettings,
    data_dir: Path,
    utt2cluster: Path,
    model_path: Path,
    embedding_scp: Path | None,
    round_number: int,
    options: TrainingOptions,
) -> None:
    """Train an encoder on pseudo labels with gate and correction, and write model.pt.

    Args:
        settings: of conf/dlglc.yaml.
        augment: of conf/augment.yaml; augment_probability of conf/dlglc.yaml replaces its probability.
        data_dir: training data directory.
        utt2cluster: pseudo labels of its utterances.
        model_path: model.pt whose encoder the round starts from.
        embedding_scp: embeddings of data_dir by that model, for `classifier: centroids`.
        round_number: from 1.
        options: where and how the training runs.
    """
    augment = augment.model_copy(update={"probability": settings.augment_probability})
    model = load_model(model_path)
    augmenter = open_augmenter(augment, options, model.fbank.sample_rate)
    # The round is part of the seed, so that each round draws other crops.
    seed = int(hashlib.sha256(f"{options.seed} {round_number}".encode()).hexdigest()[:8], 16)
    crops = open_crops(settings.input, data_dir, model.fbank, augmenter, [(1, settings.crop_seconds)], seed)
    labels, classes = read_labels(utt2cluster, crops.ids, data_dir)
    centroids = initial_weights(settings, embedding_scp, crops.ids, labels, classes)
    record = {"dlglc": settings, "augment": augment, "seed": options.seed, "round": round_number}
    used_embeddings = None if centroids is None else embedding_scp
    inputs = input_files(data_dir, settings.input, options, utt2cluster, model_path, used_embeddings)
    stamp = Stamp(options.out_dir / "stamp.json", record, inputs)

    def save(name: str, state: State) -> None:
        save_model(options.out_dir / name, model.encoder_settings, model.fbank_settings, state, settings.input)

    def make_task(processes: Processes) -> DlgLc:
        log.info("%d utterances in %d clusters", len(labels), classes)
        views = Views(model.fbank.to(processes.device), augmenter if settings.input == "wav" else None)
        by_utterance = settings.correction.mode == "utterance"
        return DlgLc(
            settings,
            model.encoder,
            labels,
            classes,
            centroids,
            views,
            round_number,
            processes,
            options.out_dir,
            whole_utterances(model, data_dir, settings.input, processes) if by_utterance else None,
            seed,
        )

    train(options, settings, stamp, seed, crops, make_task, save)


def whole_utterances(model: Model, data_dir: Path, inputs: str, processes: Processes) -> Callable[[], Array]:
    """A function that embeds all whole utterances with the model's encoder. The processes share the work."""
    utterances = open_utterances(data_dir, inputs, model.fbank)
    groups = list(equal_lengths(utterances.num_frames, BATCH_FRAMES))[processes.rank :: processes.world]

    def embeddings() -> Array:
        fbank = model.fbank.to(processes.device) if inputs == "wav" else None
        mine = torch.from_numpy(embed(model.encoder, fbank, utterances, groups)).to(processes.device)
        return processes.sum(mine).cpu().numpy()

    return embeddings


def initial_weights(
    settings: DlglcSettings, embedding_scp: Path | None, ids: Column, labels: Array, classes: int
) -> Array | None:
    """The class weights that the setting `classifier` asks for, (K, D); None = random ones."""
    if settings.classifier != "centroids":
        return None
    if embedding_scp is None:
        raise RecipeError("classifier: centroids needs --embeddings, the training set's embedding.scp by MODEL")
    return cluster_means(embedding_scp, ids, labels, classes)
