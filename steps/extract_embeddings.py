#!/usr/bin/env python3
"""One embedding per utterance: the encoder over the whole clean recording, no crop, no padding, no augmentation.

Reads   MODEL (a model.pt), DATA_DIR/wav.scp (feats.scp where the model was trained with input: feats).
Writes  OUT_DIR/{embedding.ark, embedding.scp}, vectors as the encoder gives them (not length-normalised).

Example
    steps/extract_embeddings.py exp/mini/dino/model.pt data/mini/eval exp/mini/dino/eval
"""

from pathlib import Path

import numpy as np
import torch

from dlglc import console
from dlglc.console import log
from dlglc.data.arks import write_embeddings
from dlglc.data.audio import Recordings
from dlglc.data.crops import FeatureCrops
from dlglc.data.fbank import Fbank
from dlglc.encoders.models import load_model
from dlglc.errors import RecipeError
from dlglc.provenance import Stamp
from dlglc.training.distributed import Processes


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("--batch-frames", type=int, default=20000, help="most frames in one forward (default: 20000)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu or cuda (default: auto)")
    parser.add_argument("model", type=Path)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    model = load_model(args.model)
    encoder, fbank = model.encoder, model.fbank
    table = "wav.scp" if model.input == "wav" else "feats.scp"
    stamp = Stamp(args.out_dir / "embedding.json", {}, [args.model, args.data_dir / table])
    if stamp.matches():
        log.info("%s/embedding.ark is finished: reused", args.out_dir)
        return
    stamp.clear()
    device = Processes(args.device).device
    read, ids, num_frames = open_input(args.data_dir, model.input, fbank)
    short = np.flatnonzero(num_frames < 1)
    if len(short):
        raise RecipeError(f"{args.data_dir}/{table}:{short[0] + 1}: {ids[short[0]]}: too short for one frame")
    encoder, fbank = encoder.to(device), fbank.to(device)
    matrix = np.empty((len(ids), encoder.embedding_dim), dtype=np.float32)
    groups = list(equal_lengths(num_frames, args.batch_frames))
    with torch.inference_mode():
        for rows in console.progress(groups, len(groups), "batches"):
            feats = torch.from_numpy(np.stack([read(i) for i in rows])).to(device)
            if model.input == "wav":
                feats = fbank(feats)
            matrix[rows] = encoder(feats - feats.mean(1, keepdim=True)).cpu().numpy()
    write_embeddings(args.out_dir, ids, matrix)
    stamp.write()
    log.info("%d embeddings of %d dimensions", *matrix.shape)


def open_input(data_dir: Path, inputs: str, fbank: Fbank):
    """A function row → samples (or frames), the ids, and the number of frames of each."""
    if inputs == "feats":
        feats = FeatureCrops(data_dir, fbank, [], 0)
        matrices = [feats.load(i) for i in range(len(feats.ids))]
        return matrices.__getitem__, feats.ids, np.array([len(m) for m in matrices])
    recordings = Recordings(data_dir, fbank.sample_rate)
    num_frames = np.array([fbank.num_frames(n) for n in recordings.num_samples])
    return (
        lambda i: recordings.read(i, 0, fbank.num_samples(int(num_frames[i]))),
        recordings.ids,
        num_frames,
    )


def equal_lengths(num_frames: np.ndarray, most: int):
    """Rows in groups of equal length, so that batching changes no result; at most `most` frames in a group."""
    order = np.argsort(num_frames, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(num_frames[order])) + 1):
        size = max(1, most // int(num_frames[same[0]]))
        for start in range(0, len(same), size):
            yield same[start : start + size]


if __name__ == "__main__":
    console.run(main)
