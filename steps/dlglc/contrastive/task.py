"""Contrastive pretraining as a task of the training loop."""

import torch

from ..data.crops import Batch
from ..data.views import Views
from ..encoders.base import Encoder
from ..settings.schema import DinoSettings
from ..training.distributed import Processes
from ..training.pretraining import Pretraining, Save
from ..training.task import Figures, State
from .loss import contrastive_health, contrastive_loss


class Contrastive(Pretraining):
    """An encoder that learns to find the other crop of an utterance among the crops of other utterances.

    There is no projection head: the cosine of the embeddings, which clustering and scoring use, is trained itself.
    Wrong answers come from the same part of the batch on the same process. So a part should have 64 utterances or more.

    Args:
        settings: of conf/dino.yaml, with the epochs of the contrastive training.
        encoder: the encoder to start from.
        views, processes, save: as for Pretraining.
    """

    def __init__(self, settings: DinoSettings, encoder: Encoder, views: Views, processes: Processes, save: Save):
        super().__init__(settings, views, processes, save)
        self.module = processes.wrap(encoder)
        self.encoder = encoder

    def step(self, batch: Batch, epoch: int, progress: float) -> tuple[torch.Tensor, Figures]:
        embeddings = self.module(self.views(batch, 0)).unflatten(0, (2, -1))
        loss = contrastive_loss(embeddings, self.settings.contrastive.temperature)
        return loss, contrastive_health(embeddings)

    def encoder_state(self) -> State:
        state: State = self.encoder.state_dict()
        return state
