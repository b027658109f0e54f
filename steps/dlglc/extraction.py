"""Embeddings of a data directory (steps/extract_embeddings.py)."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from .arrays import Array
from .console import log, progress
from .data.arks import find_rows, write_embeddings
from .data.audio import Recordings
from .data.crops import FeatureCrops
from .data.fbank import Fbank, encoder_input
from .data.tables import place_of
from .encoders.halves import Halves, LastParts
from .encoders.hidden import HiddenWriter, check_hidden
from .encoders.models import Model
from .encoders.onnx_file import OnnxModel, open_encoder
from .errors import RecipeError
from .locks import only_process
from .provenance import Stamp
from .training.distributed import Processes

READERS = 4  # threads that read for a GPU
Read = TypeVar("Read")


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


class Hidden(NamedTuple):
    """What to do with the output of an encoder's frozen parts, see encoders/halves.py.

    Attributes:
        trained: number of the parts behind them.
        source: folder whose hidden.scp has this output; None = compute it, and write it beside the embeddings.
    """

    trained: int
    source: Path | None


def extract_embeddings(
    model_path: Path, data_dir: Path, out_dir: Path, batch_frames: int, device: str, hidden: Hidden | None = None
) -> None:
    """Write one embedding per utterance, unless a finished output is there.

    Args:
        model_path: model.pt, or an ONNX file.
        data_dir: data directory.
        out_dir: where embedding.ark and embedding.scp go.
        batch_frames: most frames in one forward pass.
        device: auto, cpu or cuda.
        hidden: None = nothing is kept.

    Raises:
        RecipeError: an utterance is shorter than one frame, by file and line; the hidden frames are not those of this
            encoder.
    """
    model = open_encoder(model_path)
    if hidden and isinstance(model, OnnxModel):
        raise RecipeError(f"{model_path}: an ONNX file has no parts that could be trained")
    table = data_dir / ("wav.scp" if model.input == "wav" else "feats.scp")
    source = hidden.source if hidden else None
    record = {"hidden": [hidden.trained, str(source)]} if hidden else {}
    inputs = [model_path, table, source and source / "hidden.scp"]
    names = ["embedding.ark", "embedding.scp", *(["hidden.ark", "hidden.scp"] if hidden and not source else [])]
    outputs = [out_dir / name for name in names]
    stamp = Stamp(out_dir / "embedding.json", record, inputs, outputs)
    with only_process(out_dir, wait=True):
        if not stamp.reuse(out_dir / "embedding.ark"):
            write_embeddings(out_dir, *embed(model, data_dir, table, out_dir, batch_frames, device, hidden))
            stamp.write()


def embed(
    model: Model | OnnxModel,
    data_dir: Path,
    table: Path,
    out_dir: Path,
    batch_frames: int,
    device: str,
    hidden: Hidden | None,
) -> tuple[Sequence[str], Array]:
    """Ids and (N, D) embeddings of the utterances of a data directory, as extract_embeddings writes them.

    Args:
        table: wav.scp or feats.scp, for messages.
    """
    source = hidden.source if hidden else None
    place = Processes(device).device
    encoder, fbank = model.encoder.to(place), model.fbank.to(place)
    utterances = open_utterances(data_dir, model.input, model.fbank)
    short = np.flatnonzero(utterances.num_frames < 1)
    if len(short):
        utt = utterances.ids[short[0]]
        raise RecipeError(f"{place_of(table, int(short[0]), utt)}: {utt}: too short for one frame: take the line out")

    def features(x: torch.Tensor) -> torch.Tensor:
        if isinstance(model, OnnxModel) and model.encoder.waveform:
            return x
        return encoder_input(x, fbank if model.input == "wav" else None)

    def run_all(utterances: Utterances, run: Callable[[torch.Tensor, list[str]], torch.Tensor]) -> Array:
        groups = list(equal_lengths(utterances.num_frames, batch_frames))
        return run_encoder(utterances, progress(groups, len(groups), "batches"), encoder.embedding_dim, place, run)

    with torch.inference_mode():
        if hidden is None:
            matrix = run_all(utterances, lambda x, ids: encoder(features(x)))
        else:
            halves = Halves(encoder, fbank.num_mel_bins, hidden.trained)
            last = LastParts(halves).eval()
            if source:
                kept = open_hidden(source, utterances, fbank, halves)
                first = torch.from_numpy(utterances.read(0))[None].to(place)
                check_hidden(source / "hidden.scp", utterances.ids[0], kept.read(0), halves.frames(features(first))[0])
                matrix = run_all(kept, lambda x, ids: last(x))
            else:
                with HiddenWriter(out_dir) as writer:

                    def run(x: torch.Tensor, ids: list[str]) -> torch.Tensor:
                        embeddings: torch.Tensor = last(writer.keep(halves.frames(features(x)), ids))
                        return embeddings

                    matrix = run_all(utterances, run)
    log.info("%d embeddings of %d dimensions", *matrix.shape)
    return utterances.ids, matrix


def run_encoder(
    utterances: Utterances,
    groups: Iterable[Array],
    dim: int,
    device: torch.device,
    run: Callable[[torch.Tensor, list[str]], torch.Tensor],
) -> Array:
    """The embeddings of whole utterances, (N, dim) float32. Rows that are in no group are 0.

    Args:
        utterances: N.
        groups: rows of utterances of equal length, which are computed together.
        dim: of an embedding.
        device: where the batches go.
        run: called with a batch and the ids of its utterances.
    """
    matrix, gpu = np.zeros((len(utterances.ids), dim), dtype=np.float32), device.type == "cuda"
    computed: list[tuple[Array, torch.Tensor]] = []

    def collect() -> None:
        for rows, embeddings in computed:
            matrix[rows] = embeddings.cpu().numpy()
        computed.clear()

    def read(rows: Array) -> tuple[Array, torch.Tensor]:
        batch = torch.from_numpy(np.stack([utterances.read(i) for i in rows]))
        return rows, batch.pin_memory() if gpu else batch

    for rows, batch in read_ahead(read, groups, READERS if gpu else 0):
        computed.append((rows, run(batch.to(device, non_blocking=True), [utterances.ids[i] for i in rows])))
        if not gpu or len(computed) == 64:  # to ask a GPU for each batch would let it wait
            collect()
    collect()
    return matrix


def read_ahead(read: Callable[[Array], Read], groups: Iterable[Array], threads: int) -> Iterator[Read]:
    """read(group) of each group, in order. Threads read some of them in advance; with 0 threads nothing is."""
    if not threads:
        yield from map(read, groups)
        return
    ahead: deque[Future[Read]] = deque()
    with ThreadPoolExecutor(threads) as readers:
        for group in groups:
            ahead.append(readers.submit(read, group))
            if len(ahead) > 4 * threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def open_hidden(folder: Path, utterances: Utterances, fbank: Fbank, halves: Halves) -> Utterances:
    """The utterances as the frames in hidden.scp of a folder."""
    kept = FeatureCrops(folder, fbank, [], 0, (halves.stride, math.prod(halves.shape)))
    rows = find_rows(list(kept.ids), list(utterances.ids), kept.scp, folder)
    num_frames = np.array([kept.stored(row).shape[0] for row in rows])
    return Utterances(utterances.ids, num_frames, lambda i: kept.load(rows[i]))


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
