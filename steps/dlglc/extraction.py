"""Embeddings of a data directory (steps/extract_embeddings.py)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from .arrays import Array
from .console import log, progress
from .data.arks import write_embeddings
from .data.audio import Recordings
from .data.crops import FeatureCrops
from .data.fbank import Fbank
from .data.tables import place_of
from .encoders.base import Encoder
from .encoders.models import load_model
from .errors import RecipeError
from .provenance import Stamp
from .training.distributed import Processes


class Utterances(NamedTuple):
    """Whole utterances, as the encoder was trained on them.

    Attributes:
        ids: N utterance ids.
        num_frames: (N,) frames of each.
        read: of row i, its samples (int16) or its frames (float32, (T, F)).
    """

    ids: Sequence[str]
    num_frames: Array
    read: Callable[[int], Array]


def extract_embeddings(model_path: Path, data_dir: Path, out_dir: Path, batch_frames: int, device: str) -> None:
    """Write one embedding per utterance, unless a finished output is there.

    Args:
        model_path: model.pt.
        data_dir: data directory.
        out_dir: where embedding.ark and embedding.scp go.
        batch_frames: most frames in one forward pass.
        device: auto, cpu or cuda.

    Raises:
        RecipeError: an utterance is shorter than one frame, by file and line.
    """
    model = load_model(model_path)
    table = data_dir / ("wav.scp" if model.input == "wav" else "feats.scp")
    stamp = Stamp(out_dir / "embedding.json", {}, [model_path, table])
    if stamp.reuse(out_dir / "embedding.ark"):
        return
    place = Processes(device).device
    utterances = open_utterances(data_dir, model.input, model.fbank)
    short = np.flatnonzero(utterances.num_frames < 1)
    if len(short):
        utt = utterances.ids[short[0]]
        raise RecipeError(f"{place_of(table, int(short[0]), utt)}: {utt}: too short for one frame: take the line out")
    fbank = model.fbank.to(place) if model.input == "wav" else None
    groups = list(equal_lengths(utterances.num_frames, batch_frames))
    matrix = embed(model.encoder.to(place), fbank, utterances, progress(groups, len(groups), "batches"))
    write_embeddings(out_dir, utterances.ids, matrix)
    stamp.write()
    log.info("%d embeddings of %d dimensions", *matrix.shape)


def embed(encoder: Encoder, fbank: Fbank | None, utterances: Utterances, groups: Iterable[Array]) -> Array:
    """Embeddings of whole utterances, (N, D) float32. Rows that are in no group are 0.

    Args:
        encoder: in evaluation mode.
        fbank: on the device of the encoder; None = the utterances are features.
        utterances: N.
        groups: rows of utterances of equal length, which are computed together.
    """
    matrix = np.zeros((len(utterances.ids), encoder.embedding_dim), dtype=np.float32)
    device = next(encoder.parameters()).device
    with torch.inference_mode():
        for rows in groups:
            feats = torch.from_numpy(np.stack([utterances.read(i) for i in rows])).to(device)
            if fbank is not None:
                feats = fbank(feats)
            matrix[rows] = encoder(feats - feats.mean(1, keepdim=True)).cpu().numpy()
    return matrix


def open_utterances(data_dir: Path, inputs: str, fbank: Fbank) -> Utterances:
    """The utterances of a data directory, from wav.scp or (inputs = feats) from feats.scp."""
    if inputs == "feats":
        feats = FeatureCrops(data_dir, fbank, [], 0)
        matrices = [feats.load(i) for i in range(len(feats.ids))]
        return Utterances(feats.ids, np.array([len(m) for m in matrices]), matrices.__getitem__)
    recordings = Recordings(data_dir, fbank.sample_rate)
    num_frames = np.array([fbank.num_frames(n) for n in recordings.num_samples])

    def read(i: int) -> Array:
        return recordings.read(i, 0, fbank.num_samples(int(num_frames[i])))

    return Utterances(recordings.ids, num_frames, read)


def equal_lengths(num_frames: Array, most: int) -> Iterator[Array]:
    """Rows in groups of equal length, at most `most` frames in a group.

    No utterance is padded, so that its embedding does not depend on the others of its batch.
    """
    order = np.argsort(num_frames, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(num_frames[order])) + 1):
        size = max(1, most // int(num_frames[same[0]]))
        for start in range(0, len(same), size):
            yield same[start : start + size]
