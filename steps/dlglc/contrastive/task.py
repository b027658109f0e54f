"""Contrastive pretraining as a task of the training loop."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..data.crops import Batch
from ..data.views import Views
from ..settings.schema import DinoSettings
from ..training.distributed import Processes
from ..training.optimiser import EpochMean
from ..training.task import Figures, State, Task
from .loss import contrastive_health, contrastive_loss


class Contrastive(Task):
    """An encoder that learns to find the other crop of an utterance among the crops of other utterances.

    There is no projection head: the cosine of the embeddings, which clustering and scoring use, is trained itself.
    Wrong answers come from the same part of the batch on the same process. So a part should have 64 utterances or more.

    Args:
        settings: of conf/dino.yaml, with the epochs of the contrastive training.
        encoder: the encoder to start from.
        views: turns batches into features.
        processes: the processes of the training.
        save: called as save(file name, state of the encoder) for the encoders that keep_every asks for.
    """

    def __init__(
        self,
        settings: DinoSettings,
        encoder: nn.Module,
        views: Views,
        processes: Processes,
        save: Callable[[str, State], None],
    ):
        self.settings, self.processes, self.views, self.save = settings, processes, views, save
        self.module = processes.wrap(encoder)
        self.encoder = encoder
        self.mean = EpochMean(settings.average_epochs, settings.epochs)

    def step(self, batch: Batch, epoch: int, progress: float) -> tuple[torch.Tensor, Figures]:
        embeddings = self.module(self.views(batch, 0)).unflatten(0, (2, -1))
        loss = contrastive_loss(embeddings, self.settings.contrastive.temperature)
        return loss, contrastive_health(embeddings)

    def end_epoch(self, epoch: int) -> Figures:
        every = self.settings.keep_every
        if every and (epoch + 1) % every == 0 and self.processes.first:
            self.save(f"epochs/{epoch + 1:02d}.pt", self.encoder.state_dict())
        self.mean.add(epoch, self.encoder.state_dict())
        return {}

    def final_state(self) -> State:
        """The mean of the encoders of the last average_epochs epochs."""
        return self.mean.average(self.encoder.state_dict())

    def state(self) -> dict[str, Any]:
        return {"averaged": self.mean.sums}

    def load_state(self, state: dict[str, Any]) -> None:
        self.mean.sums = {k: v.to(self.processes.device) for k, v in state["averaged"].items()}
