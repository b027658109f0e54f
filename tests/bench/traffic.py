"""What a training step asks of a machine, counted without one: bytes that its operations read and write, and FLOPs.

The trainers' own update runs on fake tensors: they have shapes and types, but no memory. So a step of VoxCeleb2's size
is counted in seconds on any machine. Each operation counts the bytes of its inputs and outputs once, as if no cache
kept them. That is what a GPU moves when each operation is a kernel of its own.
"""

import copy
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker

from dlglc.data.crops import Batch, ViewSpecs
from dlglc.data.fbank import Fbank
from dlglc.data.views import Views
from dlglc.dino import task as dino_task
from dlglc.dino.run import crop_views
from dlglc.dino.task import Dino
from dlglc.encoders import build_encoder
from dlglc.rounds.gate import GateDecision
from dlglc.rounds.task import DlgLc
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, DlglcSettings, FbankSettings
from dlglc.training.distributed import Processes
from dlglc.training.task import Task
from dlglc.training.trainer import Trainer

ROOT = Path(__file__).resolve().parents[2]
NOTHING_MOVED = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
PARTS = ["encoder.pool", "encoder", "head", "classifier"]  # of the model
CLASSES = 7500  # of a round
PICKED = {"index", "index_select", "gather", "embedding"}  # read as much as they write, not the whole table


class Counted(NamedTuple):
    """What a step needs.

    Attributes:
        bytes: read and written by all operations.
        flops: of products and convolutions.
        operations: their number.
        parts: bytes of each part of the model, forward and backward.
    """

    bytes: int
    flops: int
    operations: int
    parts: dict[str, int]


class Traffic(TorchDispatchMode):
    """Sums the bytes that operations read and write.

    Args:
        names: parts of the model. An operation counts for the first of these that is in its module's name.
    """

    def __init__(self, names: list[str]):
        super().__init__()
        self.names, self.tracker = names, ModuleTracker()
        self.total, self.operations, self.parts = 0, 0, Counter[str]()

    def __enter__(self) -> "Traffic":
        self.tracker.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        self.tracker.__exit__(*args)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        moved = bytes_of_call(func, [*args, *(kwargs or {}).values()], result)
        if moved:
            self.operations += 1
            self.total += moved
            self.parts[self.part()] += moved
        return result

    def part(self) -> str:
        """The part of the model whose forward or backward pass this is."""
        inside = " ".join(self.tracker.parents)
        return next((name for name in self.names if name in inside), "other")


def bytes_of_call(func: Any, inputs: Any, result: Any) -> int:
    """Bytes that an operation reads and writes. 0 for views, which move nothing."""
    space, name = func._schema.name.split("::")
    aliases = [one.alias_info for one in func._schema.returns]
    if (
        space == "prim"
        or name in NOTHING_MOVED
        or (  # prim::device is a question of fake tensors
            aliases and all(one and not one.is_write for one in aliases)
        )
    ):
        return 0
    written = sum(extent(one) for one in tree_leaves(result) if isinstance(one, torch.Tensor))
    if name in PICKED:
        return 2 * written
    read = {id(one): extent(one) for one in tree_leaves(inputs) if isinstance(one, torch.Tensor)}
    return written + sum(read.values())


def extent(tensor: torch.Tensor) -> int:
    """Bytes of a tensor's different elements: one that is expanded is read again and again from the same place."""
    elements = 1
    for size, stride in zip(tensor.shape, tensor.stride()):
        elements *= size if stride else min(1, size)
    return elements * tensor.element_size()


@contextmanager
def fake_processes() -> Iterator[Processes]:
    """One process on the CPU, and tensors without memory.

    Three functions of Python and torch look at values or memory, which such tensors do not have. They are replaced.
    """
    untouched = patch.object(torch.nn.init, "trunc_normal_", lambda tensor, **_: tensor)
    copies = patch.object(dino_task, "copy", SimpleNamespace(deepcopy=copied))
    at_home = patch.object(torch.nn.Module, "to", lambda module, *_: module)
    with FakeTensorMode(allow_non_fake_inputs=True), untouched, copies, at_home:
        yield Processes("cpu")


def copied(module: torch.nn.Module) -> torch.nn.Module:
    """A deep copy of a module of fake tensors. Python would ask where the memory of its tensors is."""
    made: dict[int, Any] = {id(buffer): buffer.clone() for buffer in module.buffers()}
    made |= {id(p): torch.nn.Parameter(p.detach().clone()) for p in module.parameters()}
    return copy.deepcopy(module, made)


def crops_of(views: ViewSpecs, fbank: Fbank, batch: int) -> Batch:
    """A batch of features."""
    found = {"index": torch.zeros(batch, dtype=torch.int64)}
    for v, (count, seconds) in enumerate(views):
        frames = round(seconds * fbank.sample_rate / fbank.shift)
        found[f"feats{v}"] = torch.zeros(count * batch, frames, fbank.num_mel_bins)
    return found


def energies(views: ViewSpecs, fbank: Fbank, batch: int) -> int:
    """Bytes that the filter bank moves for a batch."""
    with fake_processes(), Traffic([]) as traffic:
        for count, seconds in views:
            samples = fbank.num_samples(round(seconds * fbank.sample_rate / fbank.shift))
            padded = torch.zeros(count * batch, fbank.num_frames(samples), fbank.nfft)
            fbank._energies(torch.zeros(count * batch, samples, dtype=torch.int16).float(), padded)
    return traffic.total


def count(task: Task, settings: Any, processes: Processes, batch: Batch) -> Counted:
    """Count the second update of a training: the first one makes the optimiser's state.

    Args:
        task, settings, processes: as the trainer gets them.
        batch: of the update.
    """
    crops = SimpleNamespace(ids=range(settings.batch_size), seed=0)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(task, crops, settings, Path(folder), processes)
        last = settings.epochs - 1  # everything is on
        trainer.update(iter([batch] * settings.accumulate), last, 0)
        flops = FlopCounterMode(display=False)
        with Traffic(PARTS) as traffic, flops:
            trainer.update(iter([batch] * settings.accumulate), last, 0)
    return Counted(traffic.total, flops.get_total_flops(), traffic.operations, dict(traffic.parts))


def dino_step(corpus: str, *words: str) -> Counted:
    """A DINO step with the settings of conf/<corpus>/dino.yaml, changed by words.

    Filter bank and augmentation are left out: see energies(); what augmentation moves depends on chance.
    """
    fbank, settings = fbank_and(DinoSettings, f"{corpus}/dino.yaml", "optimiser.name=sgd", *words)
    with fake_processes() as processes:
        encoder = build_encoder(settings.encoder, fbank.num_mel_bins)
        task = Dino(settings, encoder, Views(fbank, None), processes, lambda name, state: None)
        return count(task, settings, processes, crops_of(crop_views(settings), fbank, settings.batch_size))


def round_step(corpus: str, *words: str, corrects: bool = True) -> Counted:
    """A step of a round with the encoder of conf/<corpus>/dino.yaml.

    Args:
        corpus: of the settings conf/<corpus>/dlglc.yaml.
        words: changes of these settings.
        corrects: True for an epoch with clean views.
    """
    fbank, settings = fbank_and(DlglcSettings, f"{corpus}/dlglc.yaml", "optimiser.name=sgd", *words)
    _, dino = fbank_and(DinoSettings, f"{corpus}/dino.yaml")
    with fake_processes() as processes, tempfile.TemporaryDirectory() as folder:
        encoder = build_encoder(dino.encoder, fbank.num_mel_bins)
        labels = np.arange(settings.batch_size) % CLASSES
        task = DlgLc(settings, encoder, labels, CLASSES, None, Views(fbank, None), 1, processes, Path(folder))
        task.gate = GateDecision(0.0 if corrects else float("inf"), "fixed")
        batch = crops_of([(1, settings.crop_seconds)], fbank, settings.batch_size)
        return count(task, settings, processes, batch)


def fbank_and(schema: type, name: str, *words: str) -> tuple[Fbank, Any]:
    """The filter bank, and the settings of a file in conf/."""
    return Fbank(load_settings(FbankSettings)), load_settings(schema, ROOT / "conf" / name, list(words))
