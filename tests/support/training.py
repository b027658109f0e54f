"""Trainings that take seconds, of the tiny corpus, and how two of them are compared."""

import json
from pathlib import Path

import numpy as np
import torch

from dlglc.data.tables import read_table
from dlglc.files import load_tensors

SMALL = [
    "epochs=3",
    "batch_size=6",
    "long_seconds=0.8",
    "short_seconds=0.4",
    "encoder.channels=16",
    "encoder.embedding_dim=16",
    "encoder.aggregate=0",
    "encoder.scale=4",
    "encoder.attention=8",
    "encoder.stride=2",
    "head.hidden=32",
    "head.bottleneck=16",
    "head.outputs=64",
    "average_epochs=2",
    "optimiser.name=adamw",
    "optimiser.lr=1e-3",
    "optimiser.scale_batch=0",
    "optimiser.warmup_epochs=1",
]
ROUND = [
    "epochs=4",
    "batch_size=6",
    "crop_seconds=0.8",
    "gate.from_epoch=2",
    "correction.from_epoch=3",
    "average_epochs=2",
    "margin_warmup_epochs=1",
    "optimiser.name=adamw",
    "optimiser.lr=1e-3",
    "optimiser.scale_batch=0",
    "optimiser.warmup_epochs=1",
]


def dino_arguments(tiny, out, *settings, options=()):
    """Words for steps/train_dino.py: a training in `out`, of 3 epochs with 4 steps each."""
    noise = ["--noise", tiny / "noise", "--rirs", tiny / "rirs"]
    return [*noise, *options, tiny / "train", out, "--set", *SMALL, *settings]


def same_model(a: Path, b: Path) -> bool:
    """Equal to the bit, all tensors."""
    one, two = load_tensors(a)["state"], load_tensors(b)["state"]
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def lines(path: Path) -> list[dict]:
    """The objects of a .jsonl file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def figures(out: Path) -> list[dict]:
    """metrics.jsonl of a training without its times, which are never the same."""
    times = ("seconds", "utterances_per_second", "data_wait")
    return [{k: v for k, v in line.items() if k not in times} for line in lines(out / "metrics.jsonl")]


def round_arguments(tiny, utt2cluster, dino, out, *settings, options=()):
    """Words for steps/train_dlglc.py: a round in `out` that starts from the training `dino`."""
    noise = ["--noise", tiny / "noise", "--rirs", tiny / "rirs"]
    model = dino / "model.pt"
    return [*noise, *options, tiny / "train", utt2cluster, model, out, "--set", *ROUND, *settings]


def assert_every_utterance_is_recorded_once(tree: Path, gate: Path, count: int) -> None:
    """With the gate off every label is kept, which counts 1: an utterance that none trained has 0 there, one that two
    processes trained 2, with twice its label. A loss tells neither: it may be so small that it is 0 in float32.
    """
    labels = read_table(tree / "exp/voxceleb/dino/clusters/utt2cluster")
    utts = read_table(tree / "data/voxceleb/train/wav.scp")
    numbers = np.unique([labels[utt] for utt in utts], return_inverse=True)[1]
    with np.load(gate / "epoch01.npz") as record:
        np.testing.assert_array_equal(record["decision"], np.ones(count))
        np.testing.assert_array_equal(record["target"], numbers)
        assert record["log_loss"].shape == (count,) and np.isfinite(record["log_loss"]).all()
    for epoch in (2, 3):
        with np.load(gate / f"epoch{epoch:02d}.npz") as record:
            assert set(record["decision"]) <= {0, 1, 2} and (record["target"] < 8).all()
