"""The training loop of both stages. What is optimised, and how, is a task (training/task.py)."""

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
from ..data.crops import Batch, Crops, FeatureCrops
from ..errors import RecipeError
from ..settings.schema import TrainingSettings
from .checkpoint import Position, Sums, load_checkpoint, save_checkpoint
from .distributed import Processes
from .optimiser import build_optimiser, clip_each, learning_rate
from .progress import Clock, Metrics
from .task import Task

HALF = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Trainer:
    """Train a task for the settings' epochs; go on from OUT_DIR/checkpoint.pt where there is one.

    An update is of batch_size utterances over all processes, in `accumulate` parts one after the other: each part is a
    forward and backward pass of its own, for batches that memory does not hold at once.

    A resumed run goes on at the step where the last checkpoint was taken, and on a CPU it ends with the same bits as
    one that was never interrupted. Each epoch adds a line to OUT_DIR/metrics.jsonl.

    Args:
        task: loss and state.
        crops: what it is trained on.
        settings: of conf/dino.yaml or conf/dlglc.yaml.
        out_dir: where checkpoint and metrics go.
        processes: this one among those of the training.
        max_hours: after which to stop, with a checkpoint.
    """

    def __init__(
        self,
        task: Task,
        crops: Crops | FeatureCrops,
        settings: TrainingSettings,
        out_dir: Path,
        processes: Processes,
        max_hours: float = math.inf,
    ):
        self.task, self.crops, self.settings, self.out_dir, self.processes = task, crops, settings, out_dir, processes
        self.device = processes.device
        self.batches = Batches(crops, settings.batch_size, processes.rank, processes.world, settings.accumulate)
        self.steps = self.batches.num_steps
        self.optimiser = build_optimiser(task.module, settings.optimiser)
        self.dtype = HALF[settings.precision]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)
        self.clock = Clock(max(1, settings.epochs * self.steps), max_hours)
        self.position = Position(0, 0)  # of the next step
        self.sums: Sums = {}  # of the epoch's figures so far

    def train(self) -> None:
        """The whole run, or what is left of it.

        Raises:
            RecipeError: a loss that is not finite; a checkpoint of other processes; max_hours are over.
        """
        self.resume()
        metrics = Metrics(self.out_dir, self.position.epoch)
        for epoch in range(self.position.epoch, self.settings.epochs):
            first_step = self.position.step
            self.clock.begin_epoch()
            self.task.begin_epoch(epoch)
            self.train_epoch(epoch, first_step)
            figures = self.epoch_figures(epoch, first_step)
            left = self.clock.left((epoch + 1) * self.steps)
            line = metrics.add(figures, self.settings.epochs, left, write=self.processes.first)
            self.task.check_epoch(epoch, line)
            self.sums = {}
            self.checkpoint(Position(epoch + 1, 0))
            if epoch + 1 < self.settings.epochs and self.processes.maximum(int(self.clock.over)):
                self.stop_early()

    def train_epoch(self, epoch: int, first_step: int) -> None:
        """The steps of an epoch, with checkpoints in between."""
        parts = iter(self.batches.loader(epoch, first_step, self.settings.workers, self.device.type == "cuda"))
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
        """One update of the weights: forward and backward for each part, then the optimiser's step."""
        settings = self.settings
        progress = (epoch * self.steps + step) / self.clock.total
        self.set_learning_rate(epoch + (step + 1) / self.steps)
        self.optimiser.zero_grad(set_to_none=True)
        for part in range(settings.accumulate):
            batch = self.next_part(parts)
            with self.gradients_stay(part + 1 < settings.accumulate):
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
        """The rate of a step is that of its end, so that the first step of a warm-up already moves."""
        settings = self.settings
        self.rate = learning_rate(settings.optimiser, epoch, settings.epochs, settings.batch_size)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate

    def next_part(self, parts: Iterator[Batch]) -> Batch:
        """The next part of a batch, on the training device."""
        before = time.monotonic()
        batch = {key: value.to(self.device, non_blocking=True) for key, value in next(parts).items()}
        self.clock.waited += time.monotonic() - before
        return batch

    def gradients_stay(self, more_parts: bool) -> Any:
        """Gradients of several processes meet in the last part of an update."""
        module = self.task.module
        if more_parts and isinstance(module, nn.parallel.DistributedDataParallel):
            return module.no_sync()
        return nullcontext()

    def add_figures(self, figures: dict[str, Any]) -> None:
        """Add a part's figures to the epoch's sums. They stay on the device: a step does not wait for them."""
        for name, value in figures.items():
            value = value.detach().double() if isinstance(value, torch.Tensor) else torch.tensor(float(value))
            self.sums[name] = self.sums.get(name, 0) + value / self.settings.accumulate

    def epoch_figures(self, epoch: int, first_step: int) -> dict[str, Any]:
        """The line of metrics.jsonl: means over steps and processes, the task's own figures, speed."""
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
        if self.device.type == "cuda":
            line["gpu_gib"] = torch.cuda.max_memory_allocated(self.device) / 2**30
        return line

    def checkpoint(self, position: Position) -> None:
        """Save all that is needed to go on at `position`."""
        self.position = position
        path = self.out_dir / "checkpoint.pt"
        save_checkpoint(path, self.task, self.optimiser, self.scaler, position, self.sums, self.processes)
        self.clock.saved = time.monotonic()

    def checkpoint_if_due(self, position: Position) -> None:
        """Save every checkpoint_minutes; stop when max_hours are over."""
        minutes = self.settings.checkpoint_minutes
        # All processes are asked now and then only: an answer has to wait for the GPU.
        often = 1 if self.processes.world == 1 or minutes == 0 else 20
        if self.clock.done % often:
            return
        due = self.processes.maximum(2 if self.clock.over else int(self.clock.due(minutes)))
        if due:
            self.checkpoint(position)
            steps = position.epoch * self.steps + position.step
            loss = float(self.sums["loss"]) / position.step
            log.info(
                "epoch %d of %d, step %d of %d: loss %.4g, %.0f s left",
                position.epoch + 1, self.settings.epochs, position.step, self.steps, loss, self.clock.left(steps),
            )  # fmt: skip
        if due == 2:
            self.stop_early()

    def stop_early(self) -> None:
        """End a run whose time is over."""
        epoch, step = self.position
        raise RecipeError(
            f"{self.out_dir}: stopped after {self.clock.max_hours:g} h (--max-hours), at epoch {epoch + 1}, "
            f"step {step + 1}; the same command goes on there"
        )

    def resume(self) -> None:
        """Go on where the last checkpoint was taken, if there is one."""
        path = self.out_dir / "checkpoint.pt"
        if path.exists():
            self.position, self.sums = load_checkpoint(path, self.task, self.optimiser, self.scaler, self.processes)
            epoch, step = self.position
            log.info("resuming at epoch %d, step %d of %d", epoch + 1, step + 1, self.steps)
