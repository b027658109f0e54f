"""DINO as a task of the training loop."""

import copy
from typing import Any

import torch
from torch import nn

from ..console import log
from ..data.crops import Batch
from ..data.views import Views
from ..encoders.base import Encoder
from ..errors import RecipeError
from ..settings.schema import DinoSettings
from ..training.distributed import Processes
from ..training.pretraining import Pretraining, Save
from ..training.task import Figures, State
from .collapse import collapse
from .head import DinoHead
from .health import health
from .loss import (
    cosine_consistency,
    dino_loss,
    ema_update,
    teacher_momentum,
    teacher_probabilities,
    teacher_temperature,
)


class EncoderWithHead(nn.Module):
    """Encoder and head. Views have different lengths, so each view is a forward pass of the encoder."""

    def __init__(self, encoder: nn.Module, head: DinoHead):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, views: list[torch.Tensor], batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings (V, B, D) and head outputs (V, B, K) of all crops, from feats (count·B, T, F) of each view."""
        embeddings = torch.cat([self.encoder(view) for view in views])
        return embeddings.unflatten(0, (-1, batch)), self.head(embeddings).unflatten(0, (-1, batch))


class Dino(Pretraining):
    """Student, teacher and centre of DINO. The encoder of the teacher is kept.

    Args:
        settings: of conf/dino.yaml.
        encoder: the encoder of the student, to start from.
        views, processes, save: as for Pretraining.
    """

    def __init__(self, settings: DinoSettings, encoder: Encoder, views: Views, processes: Processes, save: Save):
        super().__init__(settings, views, processes, save)
        head = DinoHead(settings.encoder.embedding_dim, **settings.head.model_dump())
        student = EncoderWithHead(encoder, head)
        self.teacher = processes.synchronise(copy.deepcopy(student).to(processes.device).requires_grad_(False))
        self.module = processes.wrap(student)
        self.student = student  # self.module is the student, or a wrapper of it
        self.pairs = list(self.teacher.parameters()), list(student.parameters())
        self.centre = torch.zeros(settings.head.outputs, device=processes.device)
        # With several parts per update, the centre moves once per part. All together it moves as far as with one part.
        self.centre_momentum = settings.centre_momentum ** (1 / settings.accumulate)

    def step(self, batch: Batch, epoch: int, progress: float) -> tuple[torch.Tensor, Figures]:
        settings, size = self.settings, len(batch["index"])
        long = self.views(batch, 0)
        short = [self.views(batch, 1)] if settings.short_crops else []
        student_embeddings, student = self.module([long, *short], size)
        with torch.no_grad():
            teacher_embeddings, teacher = self.teacher([long], size)
            temperature = teacher_temperature(settings.teacher_temperature, progress * settings.epochs, settings.epochs)
            targets = teacher_probabilities(teacher, self.centre, temperature)
            self.centre.lerp_(self.processes.mean(teacher.float().mean((0, 1))), 1 - self.centre_momentum)
        cross_entropy = dino_loss(student, targets, settings.student_temperature)
        figures: Figures = {"cross_entropy": cross_entropy, **health(targets, teacher_embeddings)}
        if not settings.cosine_weight:
            return cross_entropy, figures
        cosine = cosine_consistency(student_embeddings, teacher_embeddings)
        return cross_entropy + settings.cosine_weight * cosine, {**figures, "cosine": cosine}

    def before_update(self, epoch: int) -> None:
        if epoch < self.settings.freeze_last_epochs:
            self.student.head.last.weight.grad = None

    def after_update(self, progress: float) -> None:
        ema_update(*self.pairs, teacher_momentum(self.settings.teacher_momentum, progress))

    def encoder_state(self) -> State:
        state: State = self.teacher.encoder.state_dict()
        return state

    def check_epoch(self, epoch: int, figures: Figures) -> None:
        """Warn of a collapse, or stop with on_collapse: stop. The warm-up of the learning rate is not checked."""
        settings = self.settings
        utterances = settings.batch_size // (self.processes.world * settings.accumulate)
        reason = collapse(figures, settings.head.outputs, utterances)
        if reason is None or epoch + 1 <= settings.optimiser.warmup_epochs:
            return
        if settings.on_collapse == "stop":
            raise RecipeError(f"collapse after epoch {epoch + 1}: {reason}; on_collapse: warn only warns")
        log.info("collapse: %s", reason)

    def state(self) -> dict[str, Any]:
        return {"teacher": self.teacher.state_dict(), "centre": self.centre, **super().state()}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.teacher.load_state_dict(state["teacher"])
        self.centre.copy_(state["centre"])
