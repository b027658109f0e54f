"""What each of two processes does that torchrun starts: two_processes.py DATA_DIR OUT_DIR."""

import logging
import shutil
import sys
from pathlib import Path

import torch
from torch import nn

from dlglc.console import log
from dlglc.data.crops import Crops
from dlglc.data.fbank import Fbank
from dlglc.data.views import Views
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import DlglcSettings, FbankSettings
from dlglc.training.checkpoint import Position, save_checkpoint
from dlglc.training.distributed import Processes, unwrapped
from dlglc.training.task import Task
from dlglc.training.trainer import Trainer

PLAIN = [
    *("optimiser.name=sgd", "optimiser.lr=0.1", "optimiser.scale_batch=0", "optimiser.warmup_epochs=0"),
    *("gate.mode=none", "correction.mode=none", "margin_warmup_epochs=0"),
]


class Reconstruct(Task):
    """Filter bank energies through a bottleneck, without batch norm: each sample's gradient is its own."""

    def __init__(self, fbank, processes):
        torch.manual_seed(0)
        self.views = Views(fbank, None)
        self.module = processes.wrap(nn.Sequential(nn.Linear(80, 8), nn.Tanh(), nn.Linear(8, 80)))

    def step(self, batch, epoch, progress):
        feats = self.views(batch, 0) / 10
        return (self.module(feats) - feats).square().mean(), {"loss_squared": 1.0}


def train(processes, data_dir, out_dir, accumulate, batch_size=8):
    """Train the task for three epochs."""
    fbank = Fbank(load_settings(FbankSettings))
    words = [f"accumulate={accumulate}", f"batch_size={batch_size}", "epochs=3", *PLAIN]
    out_dir.mkdir(exist_ok=True)
    crops = Crops(data_dir, fbank, [(1, 0.5)], None, 3)
    settings = load_settings(DlglcSettings, None, words)
    Trainer(Reconstruct(fbank, processes), crops, settings, out_dir, processes).train()


def exchange(processes):
    """What this process gets of the others: sums, means, the largest value, gradients."""
    rank = processes.rank
    torch.manual_seed(rank)
    module = processes.wrap(nn.Linear(2, 1, bias=False))
    module(torch.full((1, 2), rank + 1.0)).sum().backward()
    return {
        "first": processes.first,
        "sum": processes.sum(torch.tensor([1.0, 10.0]) * (rank + 1)),
        "mean": processes.mean(torch.tensor([1.0, 10.0]) * (rank + 1)),
        "maximum": processes.maximum(rank + 1),
        "agree": [processes.agree(7), processes.agree(7 + rank), processes.agree(7 - rank)],
        "quiet": log.level == logging.WARNING,
        "weight": unwrapped(module).weight.detach(),
        "gradient": unwrapped(module).weight.grad,
    }


def resume_apart(processes, data_dir, out_dir):
    """Resume where each node has a folder of its own, and only that of the first process has the checkpoint."""
    mine = out_dir / f"apart{processes.rank}"
    mine.mkdir()
    if processes.first:
        shutil.copy(out_dir / "trained/checkpoint.pt", mine)
    try:
        train(processes, data_dir, mine, 2)
    except RecipeError as error:
        (mine / "said").write_text(str(error))


class Sharing(Task):
    """Each process has a share of its own, of which a checkpoint holds the sum."""

    def __init__(self, rank):
        self.module, self.share = nn.Linear(2, 1), torch.tensor([1.0, 10.0]) * (rank + 1)

    def state(self):
        return {"sum:share": self.share, "plain": 7}


def save(processes, path):
    """Write a checkpoint; what this process has afterwards must be what it had before."""
    task = Sharing(processes.rank)
    optimiser = torch.optim.SGD(task.module.parameters(), lr=0.1)
    sums = {"loss": torch.tensor(processes.rank + 1.0)}
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    save_checkpoint(path, task, optimiser, scaler, Position(1, 2), sums, processes)
    processes.wait()
    return {"share": task.share, "loss": sums["loss"]}


if __name__ == "__main__":
    everyone = Processes("cpu")
    found = exchange(everyone) | save(everyone, Path(sys.argv[2]) / "checkpoint.pt")
    torch.save(found, f"{sys.argv[2]}/{everyone.rank}")
    train(everyone, Path(sys.argv[1]), Path(sys.argv[2]) / "trained", 2)
    resume_apart(everyone, Path(sys.argv[1]), Path(sys.argv[2]))
    everyone.close()
