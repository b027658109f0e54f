"""The training loop of both stages. A task (training/task.py) says what is optimised."""

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..console import log
from ..data.batches import Batches
from ..data.crops import AnyCrops, Batch
from ..errors import RecipeError
from ..precision import use_training_kernels
from ..settings.schema import TrainingSettings
from .checkpoint import Position, Sums, checksum, load_checkpoint, save_checkpoint
from .copies import Copies
from .distributed import Processes
from .events import Events
from .optimiser import build_optimiser, clip_each, learning_rate
from .progress import Clock, Metrics
from .task import Task

HALF = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Trainer:
    """Train a task. If OUT_DIR/checkpoint.pt exists, the training resumes from there.

    An update uses batch_size utterances over all processes. It has `accumulate` parts, one after the other. Each part
    is a forward and a backward pass. More parts need less memory.

    A resumed run continues at the step of the last checkpoint. On a CPU it ends with the same bits as a run that was
    never interrupted. Each epoch adds a line to OUT_DIR/metrics.jsonl, and its figures to OUT_DIR/tensorboard.

    Args:
        task: loss and state.
        crops: the training data.
        settings: of conf/dino.yaml or conf/dlglc.yaml.
        out_dir: where checkpoint and metrics go.
        processes: the processes of the training.
        max_hours: the training stops after this time, with a checkpoint.
        identity: of the training's record; a checkpoint of another training is refused.
    """

    def __init__(
        self,
        task: Task,
        crops: AnyCrops,
        settings: TrainingSettings,
        out_dir: Path,
        processes: Processes,
        max_hours: float = math.inf,
        identity: str = "",
    ):
        self.identity = identity
        self.task, self.crops, self.settings, self.out_dir, self.processes = task, crops, settings, out_dir, processes
        self.device = processes.device
        if self.device.type == "cuda":
            use_training_kernels(self.hours)
        self.copies = Copies(self.device)
        self.batches = Batches(crops, settings.batch_size, processes.rank, processes.world, settings.accumulate)
        self.steps = self.batches.num_steps
        self.optimiser = build_optimiser(task.module, settings.optimiser, task.rate_factors())
        self.dtype = HALF[settings.precision]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)
        self.clock = Clock(max(1, settings.epochs * self.steps), max_hours)
        self.position = Position(0, 0)  # the next step
        self.sums: Sums = {}  # running sums of the epoch's figures

    @property
    def hours(self) -> float:
        """Hours of crops that this process computes in the whole training."""
        return self.settings.epochs * len(self.crops.ids) * self.crops.seconds / 3600 / self.processes.world

    def train(self) -> None:
        """Train for all epochs, or for the rest of them.

        Raises:
            RecipeError: a loss is not finite, the checkpoint is of another number of processes, or max_hours have
                passed.
        """
        self.resume()
        metrics, events = Metrics(self.out_dir, self.position.epoch), None
        epochs, on_gpu = range(self.position.epoch, self.settings.epochs), self.device.type == "cuda"
        workers = self.settings.workers if epochs else 0
        parts = iter(self.batches.loader(epochs, self.position.step, workers, on_gpu))
        for epoch in epochs:
            if self.position.step == 0 and self.processes.maximum(int(self.task.finished())):
                log.info(
                    "the training ends after %d of %d epochs: it no longer gets better", epoch, self.settings.epochs
                )
                break
            first_step = self.position.step
            self.clock.begin_epoch()
            self.task.begin_epoch(epoch)
            self.train_epoch(parts, epoch, first_step)
            figures = self.epoch_figures(epoch, first_step)
            left = self.clock.seconds_left((epoch + 1) * self.steps)
            line = metrics.add(figures, self.settings.epochs, left, write=self.processes.first)
            if self.processes.first:
                events = events or Events(self.out_dir, metrics.before(epoch), self.task.histograms)
                events.add(line)
            self.task.check_epoch(epoch, line)
            self.sums = {}
            self.checkpoint(Position(epoch + 1, 0))
            if epoch + 1 < self.settings.epochs and self.processes.maximum(int(self.clock.time_is_up)):
                self.stop_for_time_limit()

    def train_epoch(self, parts: Iterator[Batch], epoch: int, first_step: int) -> None:
        """Take the steps of an epoch, with checkpoints in between."""
        for step in range(first_step, self.steps):
            self.update(parts, epoch, step)
            self.clock.done += 1
            if step % 50 == 0 and not math.isfinite(self.sums["loss"]):
                raise RecipeError(
                    f"{self.out_dir}: the loss is {float(self.sums['loss'])} in epoch {epoch + 1}, step {step + 1}: "
                    "lower optimiser.lr, lengthen its warm-up, or use precision float32; the last checkpoint is kept"
                )
            if step + 1 < self.steps:
                self.checkpoint_if_due(Position(epoch, step + 1))

    def update(self, parts: Iterator[Batch], epoch: int, step: int) -> None:
        """Update the weights once: forward and backward pass of each part, then a step of the optimiser."""
        settings = self.settings
        progress = (epoch * self.steps + step) / self.clock.total
        self.set_learning_rate(epoch + (step + 1) / self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        for part in range(settings.accumulate):
            batch = self.next_part(parts)
            with self.delay_gradient_sum(part + 1 < settings.accumulate):
                with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None):
                    loss, figures = self.task.step(batch, epoch, progress)
                self.scaler.scale(loss / settings.accumulate).backward()
            self.add_figures({"loss": loss, **figures})
        self.scaler.unscale_(self.optimiser)
        self.task.before_update(epoch)
        if settings.clip_grad:
            clip_each(self.task.module.parameters(), settings.clip_grad)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.task.after_update(progress)

    def set_learning_rate(self, epoch: float) -> None:
        """Set the rate for a time in epochs: the end of the step, so that the first step of a warm-up is not 0."""
        settings = self.settings
        self.rate = learning_rate(settings.optimiser, epoch, settings.epochs, settings.batch_size)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * group["factor"]

    def next_part(self, parts: Iterator[Batch]) -> Batch:
        """The next part of a batch, on the training device."""
        before = time.monotonic()
        batch = self.copies(next(parts))
        self.clock.waited += time.monotonic() - before
        return batch

    def delay_gradient_sum(self, more_parts: bool) -> Any:
        """Sum the gradients of several processes in the last part of an update only."""
        module = self.task.module
        if more_parts and isinstance(module, nn.parallel.DistributedDataParallel):
            return module.no_sync()
        return nullcontext()

    def add_figures(self, figures: dict[str, Any]) -> None:
        """Add the figures of a part to the sums of the epoch. They stay on the device, so no step waits for them."""
        for name, value in figures.items():
            value = value.detach().double() if isinstance(value, torch.Tensor) else torch.tensor(float(value))
            self.sums[name] = self.sums.get(name, 0) + value / self.settings.accumulate

    def epoch_figures(self, epoch: int, first_step: int) -> dict[str, Any]:
        """The epoch's line of metrics.jsonl: means over steps and processes, the figures of the task, the speed."""
        seconds = time.monotonic() - self.clock.epoch_started
        names = sorted(self.sums)
        values = torch.stack([self.sums[n].to(self.device).float() for n in names]) / self.steps
        figures = dict(zip(names, self.processes.mean(values).tolist()))
        figures |= self.task.end_epoch(epoch)
        line = {
            "epoch": epoch + 1,
            "lr": self.rate,
            **figures,
            "seconds": seconds,
            "utterances_per_second": len(self.crops.ids) * (1 - first_step / self.steps) / seconds,
            "data_wait": self.clock.waited / seconds,
        }
        if self.processes.world > 1:
            line["processes"] = self.processes.world
        if self.device.type == "cuda":
            line["gpu_gib"] = torch.cuda.max_memory_allocated(self.device) / 2**30
        return line

    def checkpoint(self, position: Position) -> None:
        """Write a checkpoint whose next step is `position`."""
        self.position = position
        path = self.out_dir / "checkpoint.pt"
        parts = (self.task, self.optimiser, self.scaler)
        save_checkpoint(path, *parts, position, self.sums, self.processes, self.identity)
        self.clock.saved = time.monotonic()

    def checkpoint_if_due(self, position: Position) -> None:
        """Write a checkpoint every checkpoint_minutes. Stop if max_hours have passed."""
        minutes = self.settings.checkpoint_minutes
        # Several processes must agree, and this waits for the GPU. So they are asked every 20 steps only.
        often = 1 if self.processes.world == 1 or minutes == 0 else 20
        if self.clock.done % often:
            return
        due = self.processes.maximum(2 if self.clock.time_is_up else int(self.clock.checkpoint_is_due(minutes)))
        if due:
            self.checkpoint(position)
            steps = position.epoch * self.steps + position.step
            loss, left = float(self.sums["loss"]) / position.step, self.clock.seconds_left(steps)
            log.info(
                "epoch %d of %d, step %d of %d: loss %.4g, %.0f s left",
                position.epoch + 1, self.settings.epochs, position.step, self.steps, loss, left,
            )  # fmt: skip
        if due == 2:
            self.stop_for_time_limit()

    def stop_for_time_limit(self) -> None:
        """Stop with an error, after max_hours."""
        epoch, step = self.position
        raise RecipeError(
            f"{self.out_dir}: stopped after {self.clock.max_hours:g} h (--max-hours), at epoch {epoch + 1}, "
            f"step {step + 1}; the same command resumes from there"
        )

    def resume(self) -> None:
        """Resume from the last checkpoint if there is one.

        Raises:
            RecipeError: processes found different checkpoints. Their nodes do not see the same out_dir.
        """
        path = self.out_dir / "checkpoint.pt"
        if not self.processes.agree(checksum(path) if self.processes.world > 1 else 0):
            raise RecipeError(
                f"{path}: the processes of this training found different checkpoints: every node must see the same "
                "folder; put it on a shared file system, and start again after its copies on single nodes are gone"
            )
        if path.exists():
            parts = (self.task, self.optimiser, self.scaler)
            self.position, self.sums = load_checkpoint(path, *parts, self.processes, self.identity)
            epoch, step = self.position
            log.info("resuming at epoch %d, step %d of %d", epoch + 1, step + 1, self.steps)
