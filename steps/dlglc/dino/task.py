"""DINO as a task of the training loop."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..console import log
from ..data.crops import Batch
from ..data.views import Views
from ..errors import RecipeError
from ..settings.schema import DinoSettings
from ..training.distributed import Processes
from ..training.optimiser import EpochMean
from ..training.task import Figures, State, Task
from .head import DinoHead
from .health import collapse, health
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


class Dino(Task):
    """Student, teacher and centre of DINO.

    Args:
        settings: of conf/dino.yaml.
        encoder: the encoder of the student, to start from.
        views: turns batches into features.
        processes: the processes of the training.
        save: called as save(file name, state of the encoder) for the teachers that keep_every asks for.
    """

    def __init__(
        self,
        settings: DinoSettings,
        encoder: nn.Module,
        views: Views,
        processes: Processes,
        save: Callable[[str, State], None],
    ):
        head = DinoHead(settings.encoder.embedding_dim, **settings.head.model_dump())
        student = EncoderWithHead(encoder, head)
        self.settings, self.processes, self.views, self.save = settings, processes, views, save
        self.teacher = processes.synchronise(copy.deepcopy(student).to(processes.device).requires_grad_(False))
        self.module = processes.wrap(student)
        self.student = student  # self.module is the student, or a wrapper of it
        self.pairs = list(self.teacher.parameters()), list(student.parameters())
        self.centre = torch.zeros(settings.head.outputs, device=processes.device)
        self.mean = EpochMean(settings.average_epochs, settings.epochs)
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

    def end_epoch(self, epoch: int) -> Figures:
        every = self.settings.keep_every
        if every and (epoch + 1) % every == 0 and self.processes.first:
            self.save(f"epochs/{epoch + 1:02d}.pt", self.teacher.encoder.state_dict())
        self.mean.add(epoch, self.teacher.encoder.state_dict())
        return {}

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

    def final_state(self) -> State:
        """The mean of the teachers' encoders over the last average_epochs epochs."""
        return self.mean.average(self.teacher.encoder.state_dict())

    def state(self) -> dict[str, Any]:
        return {"teacher": self.teacher.state_dict(), "centre": self.centre, "averaged": self.mean.sums}

    def load_state(self, state: dict[str, Any]) -> None:
        self.teacher.load_state_dict(state["teacher"])
        self.centre.copy_(state["centre"])
        self.mean.sums = {k: v.to(self.processes.device) for k, v in state["averaged"].items()}
