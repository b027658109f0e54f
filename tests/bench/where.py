#!/usr/bin/env python3
"""Say where the seconds of a training step go, with the settings of a corpus.

The trainers' own updates run on drawn recordings of 6 s, with drawn noise and rooms. Two steps go before those that
count. On a CPU: CPU milliseconds of each part, without the parts that it calls. On a GPU: the time between steps, and
milliseconds of each kernel, from torch's profiler; the batch is read once, before.

Example, after `. ./path.sh`
    OMP_NUM_THREADS=1 PYTHONPATH=$PYTHONPATH:tests/bench tests/bench/where.py conf/librispeech contrastive
    PYTHONPATH=$PYTHONPATH:tests/bench tests/bench/where.py --device cuda --set precision=bfloat16 conf/voxceleb dino
"""

import argparse
import itertools
import math
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases.features import write_recordings
from measure import ROOT, THREADS

from dlglc.contrastive.run import with_own_epochs
from dlglc.contrastive.task import Contrastive
from dlglc.data.augment import Augmenter
from dlglc.data.crops import Crops
from dlglc.data.fbank import Fbank
from dlglc.data.views import Views
from dlglc.dino.run import crop_views
from dlglc.dino.task import Dino
from dlglc.encoders import build_encoder
from dlglc.encoders.base import Encoder
from dlglc.precision import use_training_kernels
from dlglc.rounds.gate import GateDecision
from dlglc.rounds.task import DlgLc
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, DinoSettings, DlglcSettings, FbankSettings
from dlglc.training import trainer as loop
from dlglc.training.distributed import Processes

KINDS = ("dino", "contrastive", "round")
CLASSES = 100  # clusters of a round


class Parts:
    """CPU seconds of parts of a program. A part that calls another one does not count the other's time."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.inside = [0.0]  # of the parts that run now: seconds of those that they called

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count the calls of owner.name as `part`."""
        setattr(owner, name, self.watched(getattr(owner, name), part))

    def watched(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            before = time.process_time()
            self.inside.append(0.0)
            try:
                return function(*args, **options)
            finally:
                whole = time.process_time() - before
                self.seconds[part] += whole - self.inside.pop()
                self.inside[-1] += whole

        return run


def settings_in(conf: Path, kind: type, name: str, words: list[str]) -> Any:
    """The settings of a corpus, from its own file if there is one, and `key=value` words."""
    file = conf / f"{name}.yaml"
    return load_settings(kind, file, words) if file.exists() else load_settings(kind, words=words)


def make_trainer(kind: str, conf: Path, work: Path, batch: int, device: str, words: list[str]) -> loop.Trainer:
    """A trainer on drawn recordings, enough for some steps.

    Args:
        kind: one of KINDS.
        conf: folder of settings.
        work: where the recordings go.
        batch: utterances of a step; 0 = as set.
        device: cpu or cuda.
        words: `key=value`, further settings of the training.
    """
    rng, processes = np.random.default_rng(0), Processes(device)
    fbank = Fbank(settings_in(conf, FbankSettings, "fbank", []))
    dino = settings_in(conf, DinoSettings, "dino", words if kind != "round" else [])
    rounds = settings_in(conf, DlglcSettings, "dlglc", words if kind == "round" else [])
    settings: Any = {"dino": dino, "contrastive": with_own_epochs(dino), "round": rounds}[kind]
    settings = settings.model_copy(update={"batch_size": batch or settings.batch_size})
    augment = settings_in(conf, AugmentSettings, "augment", [])
    if kind == "round":
        augment = augment.model_copy(update={"probability": settings.augment_probability})
    write_recordings(work, "utt", settings.batch_size, 6.0, rng)
    write_recordings(work, "noise", 32, 5.0, rng, kind="noise")
    write_recordings(work, "rir", 32, 0.5, rng, decay=1200)
    augmenter = Augmenter(augment, work / "noise", work / "rir", fbank.sample_rate)
    views = {
        "dino": crop_views(dino),
        "contrastive": [(2, dino.contrastive.seconds)],
        "round": [(1, rounds.crop_seconds)],
    }[kind]
    crops = Crops(work / "utt", fbank, views, augmenter, 0)
    torch.manual_seed(0)
    encoder = build_encoder(dino.encoder, fbank.num_mel_bins)
    features = Views(fbank.to(processes.device), augmenter)
    if kind == "round":
        labels = rng.integers(CLASSES, size=len(crops.ids))
        task: Any = DlgLc(settings, encoder, labels, CLASSES, None, features, 1, processes, work)
        task.gate = GateDecision(0.0, "fixed")  # every label is refused, so the clean views are predicted
    else:
        task = {"dino": Dino, "contrastive": Contrastive}[kind](settings, encoder, features, processes, lambda *_: None)
    return loop.Trainer(task, crops, settings, work, processes)


def measure(trainer: loop.Trainer, steps: int) -> Counter[str]:
    """CPU milliseconds of each part of a step."""
    parts, task = Parts(), trainer.task
    parts.watch(Crops, "batch", "reading crops and noise")
    parts.watch(Augmenter, "apply", "rooms and noise (Augmenter.apply)")
    parts.watch(Fbank, "forward", "filter bank")
    encoder = next(m for m in task.module.modules() if isinstance(m, Encoder))
    parts.watch(type(encoder), "forward", "encoder, forward")
    parts.watch(torch.Tensor, "backward", "backward")
    parts.watch(loop, "clip_each", "clipping")
    parts.watch(trainer.optimiser, "step", "optimiser")
    parts.watch(task, "after_update", "after the update (teacher)")
    parts.watch(task, "step", "head, loss, figures")
    update = parts.watched(trainer.update, "the rest")
    epoch = trainer.settings.epochs - 1
    epochs = range(epoch, epoch + 1)
    for step in range(-2, steps):
        if step == 0:
            parts.seconds.clear()
        update(iter(trainer.batches.loader(epochs, 0, 0, False)), epoch, 0)
    return Counter({part: 1000 * seconds / steps for part, seconds in parts.seconds.items()})


def measure_kernels(trainer: loop.Trainer, steps: int) -> Counter[str]:
    """Milliseconds of a step on a GPU: each kernel, and the time in which none runs."""
    epoch, device = trainer.settings.epochs - 1, trainer.device
    use_training_kernels(math.inf)
    loader = trainer.batches.loader(range(epoch, epoch + 1), 0, 0, True)
    batches = list(itertools.islice(loader, trainer.settings.accumulate))

    def run(count: int) -> float:
        torch.cuda.synchronize(device)
        before = time.perf_counter()
        for _ in range(count):
            trainer.update(iter(batches), epoch, 0)
        torch.cuda.synchronize(device)
        return 1000 * (time.perf_counter() - before) / count

    run(3)
    step = run(steps)
    for place, times in waits(lambda: run(1)).items():
        print(f"waits for the GPU: {place}, {times} times in a step")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run(steps)
    found = Counter({one.key[:100]: one.self_device_time_total / 1000 / steps for one in profile.key_averages()})
    found["no kernel runs"] = max(0.0, step - found.total())
    return found


def waits(step: Callable[[], Any]) -> Counter[str]:
    """Lines of the code that wait for the GPU in a step. The first and the last synchronisation are those of `run`."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        step()
        torch.cuda.set_sync_debug_mode("default")
    return Counter(f"{one.filename}:{one.lineno}" for one in caught if "synchroniz" in str(one.message))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="that count")
    parser.add_argument("--batch", type=int, default=0, help="utterances of a step (default: as set)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="further settings of the training")
    parser.add_argument("--most", type=int, default=25, help="parts that are shown")
    parser.add_argument("conf", type=Path, help="folder of settings, e.g. conf/mini")
    parser.add_argument("kind", choices=KINDS)
    args = parser.parse_args()
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory() as work:
        trainer = make_trainer(args.kind, ROOT / args.conf, Path(work), args.batch, args.device, args.set)
        found = (measure if args.device == "cpu" else measure_kernels)(trainer, args.steps)
    print(f"| {args.kind}, {args.conf}, {trainer.settings.batch_size} utterances | ms | share |\n|---|--:|--:|")
    for part, ms in [("a step", found.total()), *found.most_common(args.most)]:
        print(f"| {part} | {ms:.1f} | {100 * ms / found.total():.0f} % |")


if __name__ == "__main__":
    main()
