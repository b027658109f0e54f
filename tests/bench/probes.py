"""Single operations at VoxCeleb's number of utterances, each for a process of its own: probes.py PROBE DATA [WORK_DIR].

The last line of the output says what was measured. full_count.py runs this script.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from dlglc.data.arks import write_embeddings
from dlglc.data.batches import Batches
from dlglc.data.columns import read_columns
from dlglc.data.crops import Batch, Crops
from dlglc.data.fbank import Fbank
from dlglc.data.views import Views
from dlglc.dino.task import Dino
from dlglc.encoders import build_encoder
from dlglc.files import write_lines
from dlglc.rounds.loss import GatedLoss
from dlglc.rounds.mixture import fit_mixture
from dlglc.rounds.records import EpochRecords
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, FbankSettings
from dlglc.training.checkpoint import Position, load_checkpoint, save_checkpoint
from dlglc.training.distributed import Processes
from dlglc.training.optimiser import build_optimiser

VOXCELEB2 = 1_092_009  # utterances


def memory() -> float:
    """MiB that this process holds for itself, without files that are mapped."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("RssAnon")).split()[1]) / 1024


def open_training_data(data: Path) -> None:
    """Time and memory to open the training set."""
    fbank = Fbank(load_settings(FbankSettings))
    start, before = time.monotonic(), memory()
    crops = Crops(data / "train", fbank, [(2, 3.0), (4, 2.0)], None, 0)
    print(f"{len(crops.ids):,} utterances in {time.monotonic() - start:.2f} s, {memory() - before:.0f} MiB")


def order_of_an_epoch(_: Path) -> None:
    """Time to shuffle the utterances and to share them out to 8 processes."""
    batches = Batches(SimpleNamespace(ids=range(VOXCELEB2), seed=0), 256, 0, 8)
    start = time.monotonic()
    batches.set_epoch(1)
    print(f"{batches.num_steps} steps of 256 in {time.monotonic() - start:.2f} s")


class WatchedBatches(Batches):
    """Batches that also hold the memory of the process that read them."""

    def __getitem__(self, index: int) -> Batch:
        return {**super().__getitem__(index), "memory": torch.tensor(memory())}


def reading_workers(data: Path) -> None:
    """Memory of two processes that read ahead."""
    crops = Crops(data / "train", Fbank(load_settings(FbankSettings)), [(1, 3.0)], None, 0)
    loader = WatchedBatches(crops, 256).loader(range(1), 0, 2, False)
    seen = [float(batch["memory"]) for _, batch in zip(range(300), loader)]
    print(f"{max(seen):.0f} MiB in a worker, torch included, after {len(seen)} batches of 256")


def mixture_of_losses(_: Path) -> None:
    """Time to fit the gate's mixture."""
    rng = np.random.default_rng(0)
    losses = np.concatenate([rng.normal(-2, 1, 800_000), rng.normal(2, 0.8, 292_009)]).astype(np.float32)
    start = time.monotonic()
    mixture = fit_mixture(losses)
    print(f"means {mixture.means.round(3).tolist()} in {time.monotonic() - start:.3f} s")


def records_of_an_epoch(_: Path) -> None:
    """Time to write down the losses and decisions of an epoch, to count them and to save them."""
    records = EpochRecords(VOXCELEB2, Processes("cpu"))
    result = GatedLoss(torch.zeros(()), torch.ones(256).int(), torch.arange(256), torch.rand(256))
    start = time.monotonic()
    for part in torch.randperm(VOXCELEB2).split(256):
        records.add(part, GatedLoss(*(one[: len(part)] if one.ndim else one for one in result)))
    added = time.monotonic() - start
    records.gather()
    shares = records.shares()
    with tempfile.TemporaryDirectory() as folder:
        records.save(Path(folder) / "epoch.npz")
        size = (Path(folder) / "epoch.npz").stat().st_size / 2**20
    whole = time.monotonic() - start
    print(f"{added:.2f} s to add, {whole:.2f} s in all, a file of {size:.1f} MiB; kept {shares['kept']:.3f}")


def checkpoint_of_dino(_: Path) -> None:
    """Time and size of a checkpoint of DINO with the settings of VoxCeleb."""
    settings, processes = load_settings(DinoSettings, "conf/voxceleb/dino.yaml"), Processes("cpu")
    task = Dino(settings, build_encoder(settings.encoder, 80), Views(None, None), processes, lambda *_: None)
    optimiser = build_optimiser(task.module, settings.optimiser)
    for parameter in task.module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    parts = task, optimiser, torch.amp.GradScaler("cpu", enabled=False)
    with tempfile.TemporaryDirectory() as folder:
        path, start = Path(folder) / "checkpoint.pt", time.monotonic()
        save_checkpoint(path, *parts, Position(1, 0), {}, processes)
        saved, start = time.monotonic() - start, time.monotonic()
        load_checkpoint(path, *parts, processes)
        loaded, size = time.monotonic() - start, path.stat().st_size / 2**20
    print(f"{size:.0f} MiB, saved in {saved:.2f} s, loaded in {loaded:.2f} s")


def draw_embeddings(data: Path, work: Path) -> None:
    """Write random embeddings of both sets, and random clusters of the training set."""
    rng = np.random.default_rng(0)
    for name in ("eval", "train"):
        ids = list(read_columns(data / name / "utt2spk")[0])
        write_embeddings(work / name, ids, rng.standard_normal((len(ids), 192), dtype=np.float32))
    clusters = rng.integers(7500, size=len(ids)).tolist()
    write_lines(work / "utt2cluster", (f"{utt} {cluster}" for utt, cluster in zip(ids, clusters)))


PROBES: dict[str, Callable[..., None]] = {
    probe.__name__: probe
    for probe in (
        *(open_training_data, order_of_an_epoch, reading_workers, mixture_of_losses),
        *(records_of_an_epoch, checkpoint_of_dino, draw_embeddings),
    )
}


if __name__ == "__main__":
    PROBES[sys.argv[1]](*map(Path, sys.argv[2:]))
