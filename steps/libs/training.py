"""The one training loop: optimiser, schedules, precision, processes, checkpoints. Stage I and II are tasks on it."""

import json
import logging
import math
import os
import platform
import random
import re
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from . import models
from .cli import RecipeError, log
from .config import save_config
from .datadir import write_text
from .dataset import Batches
from .stamp import Stamp


class Processes:
    """This process among those that torchrun started; a plain `python` is the only one.

    Args:
        device: auto, cpu or cuda.
    """

    def __init__(self, device: str = "auto"):
        self.rank = int(os.environ.get("RANK", 0))
        self.world = int(os.environ.get("WORLD_SIZE", 1))
        local = int(os.environ.get("LOCAL_RANK", 0))
        cuda = torch.cuda.is_available() if device == "auto" else device.startswith("cuda")
        if cuda and not torch.cuda.is_available():
            raise RecipeError("--device cuda: torch sees no GPU: check nvidia-smi, or pass --device cpu")
        self.device = torch.device(f"cuda:{local}") if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(self.device)
            torch.set_float32_matmul_precision("high")  # tf32 for products too, as it is for convolutions
        if self.world > 1:
            dist.init_process_group("nccl" if cuda else "gloo")
        if self.rank:
            log.setLevel(logging.WARNING)  # one process's lines are enough

    @property
    def first(self) -> bool:
        """True for the one process that writes."""
        return self.rank == 0

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum over processes, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        """Mean over processes, in place."""
        return self.sum(tensor).div_(self.world) if self.world > 1 else tensor

    def highest(self, value: int) -> int:
        """The largest of the processes' values; every process must ask."""
        if self.world == 1:
            return value
        tensor = torch.tensor(value, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return int(tensor)

    def wrap(self, module: nn.Module) -> nn.Module:
        """DistributedDataParallel when there are several; batch norm synchronised on GPUs (torch has none for CPUs)."""
        module = self.synchronise(module.to(self.device))
        if self.world == 1:
            return module
        return nn.parallel.DistributedDataParallel(
            module, device_ids=[self.device.index] if self.device.type == "cuda" else None
        )

    def synchronise(self, module: nn.Module) -> nn.Module:
        """Batch norm over all processes' samples."""
        if self.world > 1 and self.device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return module

    def close(self) -> None:
        """The last call of a script: leave the process group, all together, and with it the process.

        One that goes early pulls the connection from under the others. And Python's own shutdown races with torch's
        communication threads: on a busy machine one process in some dozens died of "terminate called without an
        active exception" after its work was done and written, which torchrun takes for a failure.
        """
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)


def set_seed(seed: int) -> None:
    """Seed torch, for the initial weights; data and augmentation have generators of their own."""
    random.seed(seed)
    torch.manual_seed(seed)


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict]:
    """Weight decay on matrices only, none on biases and other 1-D tensors."""
    decay = [p for p in module.parameters() if p.ndim > 1]
    plain = [p for p in module.parameters() if p.ndim <= 1]
    return [{"params": decay, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def build_optimiser(module: nn.Module, config: dict) -> torch.optim.Optimizer:
    """The optimiser that an `optimiser` section describes."""
    groups = parameter_groups(module, config["weight_decay"])
    # One kernel for all tensors on a GPU; the CPU's fused one rounds differently for no gain here.
    fused = {"fused": True} if groups[0]["params"][0].is_cuda else {"foreach": True}
    if config["name"] == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=config["momentum"], nesterov=config["nesterov"], **fused)
    if config["name"] == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=(config["momentum"], 0.999), **fused)
    raise RecipeError(f"optimiser.name '{config['name']}': choose sgd or adamw")


def learning_rate(config: dict, epoch: float, epochs: int, batch_size: int) -> float:
    """Linear warm-up, then a half cosine or an exponential to `final_lr`.

    Args:
        config: an `optimiser` section.
        epoch: time in epochs, fractional.
        batch_size: utterances per step over all processes; rates scale with batch_size / scale_batch unless that is 0.
    """
    scale = batch_size / config["scale_batch"] if config["scale_batch"] else 1.0
    peak, last, warm = config["lr"] * scale, config["final_lr"] * scale, config["warmup_epochs"]
    if epoch < warm:
        return peak * epoch / warm
    share = (epoch - warm) / max(epochs - warm, 1e-9)
    if config["schedule"] == "cosine":
        return last + (peak - last) * (1 + math.cos(math.pi * share)) / 2
    if config["schedule"] == "exponential":
        return peak * (last / peak) ** share
    raise RecipeError(f"optimiser.schedule '{config['schedule']}': choose cosine or exponential")


@contextmanager
def others_alive(out_dir: Path, processes: Processes):
    """Say what to do when another process of the training has gone; gloo and NCCL only say that nobody answers."""
    try:
        yield
    except RuntimeError as error:  # DistBackendError is one
        if processes.world == 1 or not re.search("gloo|nccl|connection", str(error), re.IGNORECASE):
            raise
        raise RecipeError(
            f"{out_dir}: another process of this training was lost; torchrun names it and its signal under Root Cause "
            "(SIGKILL: mostly memory, take fewer workers). The last checkpoint is kept: the same command goes on there"
        ) from error


@torch.no_grad()
def clip_each(parameters, limit: float) -> None:
    """Scale every gradient tensor whose own norm is above `limit` down to it (per tensor, not over all)."""
    grads = [p.grad for p in parameters if p.grad is not None]
    norms = torch._foreach_norm(grads)
    torch._foreach_mul_(grads, [(limit / (n + 1e-6)).clamp(max=1.0) for n in norms])


class EpochMean:
    """Mean of an encoder over the last epochs of a run (checkpoint averaging), batch norm's statistics included.

    Args:
        count: epochs to average, 1 = the last one only.
        epochs: of the run; what is added before the last `count` of them does not enter.
    """

    def __init__(self, count: int, epochs: int):
        self.first, self.count = epochs - count, min(count, epochs)
        self.sums: dict[str, torch.Tensor] = {}

    def add(self, epoch: int, state: dict) -> None:
        """Take in the encoder's state_dict at the end of an epoch (from 0)."""
        if epoch >= self.first:
            for name, value in state.items():
                self.sums[name] = self.sums.get(name, 0) + value.double()

    def of(self, state: dict) -> dict:
        """The mean in the types of `state`; `state` itself before any epoch was added."""
        return {k: (self.sums[k] / self.count).to(v.dtype) if self.sums else v for k, v in state.items()}


class Task:
    """What a stage gives the loop. `module` is optimised (and wrapped for DDP); `state` names all it must remember."""

    module: nn.Module

    def state(self) -> dict:
        """Tensors and plain values besides the module, for the checkpoint."""
        return {}

    def load_state(self, state: dict) -> None:
        """Take back what state() gave."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before the first step of epoch `epoch` (from 0), also when it is resumed in its middle."""

    def step(self, batch: dict, epoch: int, progress: float) -> tuple[torch.Tensor, dict]:
        """Loss of a batch on the training device, and 0-dim tensors or numbers to average and log.

        Args:
            progress: share of the whole run that is done, in [0, 1).
        """
        raise NotImplementedError

    def before_update(self, epoch: int) -> None:
        """Called between backward and the optimiser's step."""

    def after_update(self, progress: float) -> None:
        """Called after the optimiser's step."""

    def end_epoch(self, epoch: int) -> dict:
        """Further figures for the epoch's line of metrics.jsonl."""
        return {}

    def judge_epoch(self, epoch: int, figures: dict) -> None:
        """Look at the epoch's line of metrics.jsonl, once it is written; a RecipeError ends the run."""


def add_training_options(parser) -> None:
    """The options that both trainers share."""
    parser.add_argument("--fbank-config", metavar="YAML", help="differences to conf/fbank.yaml (default: none)")
    parser.add_argument("--augment-config", metavar="YAML", help="differences to conf/augment.yaml (default: none)")
    parser.add_argument("--noise", metavar="DATA_DIR", help="noise clips; their kind is utt2spk's second column")
    parser.add_argument("--rirs", metavar="DATA_DIR", help="room impulse responses; no --noise and no --rirs = clean")
    parser.add_argument("--seed", type=int, default=0, help="of weights, data order, crops, augmentation (default: 0)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu or cuda (default: auto)")
    parser.add_argument(
        "--max-hours", type=float, default=math.inf, metavar="H",
        help="stop after a checkpoint once so long under way, with exit status 1; the same command goes on there",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="discard a run of other settings in OUT_DIR")


def prepare_run(out_dir: Path, config: dict, stamp: Stamp, processes: Processes, overwrite: bool) -> bool:
    """Make OUT_DIR explain itself, and decide whether there is anything to do.

    Returns:
        False when a finished model of the very same settings stands there.

    Raises:
        RecipeError: a run of other settings stands there and overwrite is off.
    """
    finished = (out_dir / "model.pt").exists()
    if stamp.read() is not None and not stamp.matches():
        if not overwrite:
            raise RecipeError(
                f"{out_dir}: holds a run with other settings ({'; '.join(stamp.differences()[:4])}). "
                "Use another directory, or pass --overwrite to discard it"
            )
        finished = False
        if processes.first:
            for name in ("model.pt", "checkpoint.pt", "metrics.jsonl"):
                (out_dir / name).unlink(missing_ok=True)
    if processes.world > 1:
        dist.barrier()
    if finished:
        what = "is finished with these settings: reused" if stamp.read() else "was put there, not trained there: kept"
        log.info("%s/model.pt %s", out_dir, what)
        return False
    if processes.first:
        out_dir.mkdir(parents=True, exist_ok=True)
        save_config(config, out_dir / "config.yaml")
        stamp.write()
        write_text(out_dir / "command", f"{shlex.join(sys.argv)}\n# {describe_code()} · {describe_machine()}\n")
    return True


def describe_code() -> str:
    """The git revision, marked when files differ from it, or "no git"."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "no git"
    return f"git {done.stdout.strip()}" if done.returncode == 0 else "no git"


def describe_machine() -> str:
    """Processor or GPU, cores, torch."""
    name = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{name}, {os.cpu_count()} cores, {device}, torch {torch.__version__}"


def fit(task: Task, crops, config: dict, out_dir: Path, processes: Processes, max_hours: float = math.inf) -> None:
    """Train a task for config's epochs; resume from OUT_DIR/checkpoint.pt where there is one.

    An update is of batch_size utterances over all processes, in `accumulate` parts one after the other: each part is a
    forward and backward pass of its own, for batches that memory does not hold at once.

    A resumed run continues at the step where the last checkpoint was taken, and ends with the same bits on a CPU as
    one that was never interrupted. Each epoch adds a line to OUT_DIR/metrics.jsonl.

    Args:
        crops: a dataset.Crops or FeatureCrops.
        config: with keys epochs, batch_size, accumulate, workers, precision, checkpoint_minutes, clip_grad, optimiser.
        max_hours: after which to stop, with a checkpoint.

    Raises:
        RecipeError: a loss that is not finite; a checkpoint of other processes; max_hours are over.
    """
    epochs, device, parts = config["epochs"], processes.device, config["accumulate"]
    batches = Batches(crops, config["batch_size"], processes.rank, processes.world, parts)
    optimiser = build_optimiser(task.module, config["optimiser"])
    half = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if config["precision"] not in half:
        raise RecipeError(f"precision '{config['precision']}': choose one of {', '.join(half)}")
    dtype = half[config["precision"]]
    scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)
    module = getattr(task.module, "module", task.module)

    def checkpoint(epoch, step, sums):
        """Position (epoch, step) is the next step to take; `sums` are the running sums of the epoch so far."""
        state = gathered(task.state(), processes)
        # Each process has sums of its own; their mean is what every one goes on with.
        sums = {name: processes.mean(value.clone().to(processes.device)) for name, value in sums.items()}
        if processes.first:
            contents = {
                "module": module.state_dict(),
                "task": state,
                "optimiser": optimiser.state_dict(),
                "scaler": scaler.state_dict(),
                "rng": torch.get_rng_state(),
                "position": [epoch, step],
                "world": processes.world,
                "sums": sums,
            }
            models.save_atomically(contents, out_dir / "checkpoint.pt")

    first_epoch, first_step, sums = 0, 0, {}
    if (out_dir / "checkpoint.pt").exists():
        saved = models.load(out_dir / "checkpoint.pt")
        if saved["world"] != processes.world and saved["position"][1]:
            raise RecipeError(
                f"{out_dir}/checkpoint.pt: taken in mid-epoch by {saved['world']} processes, now {processes.world}: "
                "resume with as many, or pass --overwrite"
            )
        module.load_state_dict(saved["module"])
        task.load_state(saved["task"])
        optimiser.load_state_dict(saved["optimiser"])
        scaler.load_state_dict(saved["scaler"])
        torch.set_rng_state(saved["rng"])
        (first_epoch, first_step), sums = saved["position"], saved["sums"]
        log.info("resuming at epoch %d, step %d of %d", first_epoch + 1, first_step + 1, batches.num_steps)
        del saved

    def leave(epoch, step):
        raise RecipeError(
            f"{out_dir}: stopped after {max_hours:g} h (--max-hours), at epoch {epoch + 1}, step {step + 1}; "
            "the same command goes on there"
        )

    metrics_path = out_dir / "metrics.jsonl"
    lines = metrics_path.read_text().splitlines()[:first_epoch] if metrics_path.exists() else []

    total = max(1, epochs * batches.num_steps)
    often = 1 if processes.world == 1 or config["checkpoint_minutes"] == 0 else 20
    started = saved_at = time.monotonic()
    done_here = 0
    for epoch in range(first_epoch, epochs):
        task.begin_epoch(epoch)
        epoch_started, waited = time.monotonic(), 0.0
        loader = iter(batches.loader(epoch, first_step, config["workers"], device.type == "cuda"))
        for step in range(first_step, batches.num_steps):
            progress = (epoch * batches.num_steps + step) / total
            # A step's rate is that of its end, so that the first step of a warm-up already moves.
            rate = learning_rate(
                config["optimiser"], epoch + (step + 1) / batches.num_steps, epochs, config["batch_size"]
            )
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            for part in range(parts):
                before = time.monotonic()
                batch = {k: v.to(device, non_blocking=True) for k, v in next(loader).items()}
                waited += time.monotonic() - before
                apart = processes.world > 1 and part + 1 < parts  # gradients meet in the last part
                with task.module.no_sync() if apart else nullcontext():
                    with torch.autocast(device.type, dtype, enabled=dtype is not None):
                        loss, figures = task.step(batch, epoch, progress)
                    scaler.scale(loss / parts).backward()
                for name, value in {"loss": loss, **figures}.items():
                    value = value.detach().double() if isinstance(value, torch.Tensor) else torch.tensor(float(value))
                    sums[name] = sums.get(name, 0) + value / parts
            scaler.unscale_(optimiser)
            task.before_update(epoch)
            if config["clip_grad"]:
                clip_each(task.module.parameters(), config["clip_grad"])
            scaler.step(optimiser)
            scaler.update()
            task.after_update(progress)
            if step % 50 == 0 and not math.isfinite(sums["loss"]):
                raise RecipeError(
                    f"{out_dir}: the loss is {float(sums['loss'])} in epoch {epoch + 1}, step {step + 1}: lower "
                    "optimiser.lr, lengthen its warm-up, or use precision float32; the last checkpoint is kept"
                )
            done_here += 1
            now = time.monotonic()
            last_step = step + 1 == batches.num_steps
            # Asked of all processes now and then only: an answer has to wait for the GPU.
            if not last_step and done_here % often == 0:
                over = now - started >= 3600 * max_hours
                due = processes.highest(2 if over else int(now - saved_at >= 60 * config["checkpoint_minutes"]))
                if due:
                    checkpoint(epoch, step + 1, sums)
                    saved_at = time.monotonic()
                    progress_line(epoch, epochs, step + 1, batches.num_steps, done_here, total, started, sums)
                if due == 2:
                    leave(epoch, step + 1)
        seconds = time.monotonic() - epoch_started
        names = sorted(sums)
        values = torch.stack([sums[n].to(device).float() for n in names]) / batches.num_steps
        figures = dict(zip(names, processes.mean(values).tolist()))
        figures.update(task.end_epoch(epoch))
        line = {
            "epoch": epoch + 1,
            "lr": rate,
            **figures,
            "seconds": seconds,
            "utterances_per_second": len(crops.ids) * (1 - first_step / batches.num_steps) / seconds,
            "data_wait": waited / seconds,
        }
        if device.type == "cuda":
            line["gpu_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
        if not all(math.isfinite(v) for v in line.values() if isinstance(v, float)):
            bad = [k for k, v in line.items() if isinstance(v, float) and not math.isfinite(v)]
            raise RecipeError(f"{out_dir}: {', '.join(bad)} not finite after epoch {epoch + 1}: lower optimiser.lr")
        line = {k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in line.items()}
        lines.append(json.dumps(line))
        first_step, sums = 0, {}
        left = (total - (epoch + 1) * batches.num_steps) * (time.monotonic() - started) / done_here
        if processes.first:
            write_text(metrics_path, "\n".join(lines) + "\n")
            shown = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in list(line.items())[1:])
            log.info("epoch %d of %d: %s, %.0f s left", epoch + 1, epochs, shown, left)
        task.judge_epoch(epoch, line)
        checkpoint(epoch + 1, 0, sums)
        saved_at = time.monotonic()
        if epoch + 1 < epochs and processes.highest(int(saved_at - started >= 3600 * max_hours)):
            leave(epoch + 1, 0)


def progress_line(epoch, epochs, step, steps, done_here, total, started, sums) -> None:
    """One plain line in the middle of a long epoch."""
    left = (total - epoch * steps - step) * (time.monotonic() - started) / done_here
    loss = float(sums["loss"]) / step
    log.info("epoch %d of %d, step %d of %d: loss %.4g, %.0f s left", epoch + 1, epochs, step, steps, loss, left)


def gathered(state: dict, processes: Processes) -> dict:
    """Task state for the one checkpoint: entries named "sum:…" hold each process's share and are added up."""
    return {
        key: processes.sum(value.clone().to(processes.device)).cpu() if key.startswith("sum:") else value
        for key, value in state.items()
    }
