"""A training of milliseconds whose figures are random numbers."""

import math

import torch
from torch import nn

from dlglc.settings import load_settings
from dlglc.settings.schema import DlglcSettings
from dlglc.training.distributed import Processes
from dlglc.training.task import Task
from dlglc.training.trainer import Trainer
from unit.training.two_processes import PLAIN


class Noisy(Task):
    """Random figures and weights that move with them: a resumed run has to bring back the generator too."""

    def __init__(self, bad_step=None):
        torch.manual_seed(0)
        self.module = nn.Linear(80, 1)
        self.seen, self.progress, self.bad_step = [], [], bad_step

    def step(self, batch, epoch, progress):
        self.seen.append(batch["index"].tolist())
        self.progress.append(progress)
        noise = torch.randn(1)
        loss = (self.module(batch["feats0"].mean(1)) - noise).square().mean()
        if len(self.seen) - 1 == self.bad_step:
            loss = loss * math.nan
        return loss, {"noise": noise[0]}


def start(crops, out_dir, task, *words, hours=math.inf):
    """Train a task for three epochs of three steps. Returns the trainer."""
    out_dir.mkdir(exist_ok=True)
    settings = load_settings(DlglcSettings, None, ["epochs=3", "batch_size=4", *PLAIN, *words])
    trainer = Trainer(task, crops, settings, out_dir, Processes("cpu"), hours)
    trainer.train()
    return trainer
