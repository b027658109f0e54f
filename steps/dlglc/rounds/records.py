"""The records of every utterance in an epoch: loss, decision, target."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..arrays import Array
from ..training.distributed import Processes
from .gate import log_losses
from .loss import CORRECTED, DROPPED, KEPT, GatedLoss

FIELDS = ("losses", "decision", "target")
DECISIONS = {"kept": KEPT, "corrected": CORRECTED, "dropped": DROPPED}


class SavedRecord(NamedTuple):
    """The records of an epoch in its file.

    Attributes:
        decision: (N,) int8, 0 dropped, 1 kept, 2 corrected.
        target: (N,) int32, cluster.
        log_loss: (N,) float32, ln(loss).
        rows: (N,) rows of the utterances in the data directory; all rows if the file does not say.
    """

    decision: Array
    target: Array
    log_loss: Array
    rows: Array


def record_file(gate_dir: Path, epoch: int) -> Path:
    """The file of an epoch, from 1."""
    return gate_dir / f"epoch{epoch:02d}.npz"


def read_record(path: Path) -> SavedRecord:
    """Read what EpochRecords.save wrote."""
    with np.load(path, allow_pickle=False) as file:
        decision = file["decision"]
        rows = file["rows"] if "rows" in file else np.arange(len(decision))
        return SavedRecord(decision, file["target"], file["log_loss"], rows)


class EpochRecords:
    """The records of an epoch, in the order of the data directory.

    They stay on the device until the epoch ends, so that a step does not wait for them. Each utterance belongs to one
    process, and all other processes have 0 for it. So the sum over processes has the records of all utterances.

    Args:
        count: number of utterances N.
        processes: the processes of the training.
    """

    def __init__(self, count: int, processes: Processes):
        self.processes = processes
        self.losses = torch.zeros(count, dtype=torch.float32, device=processes.device)
        self.decision = torch.zeros(count, dtype=torch.int32, device=processes.device)
        self.target = torch.zeros_like(self.decision)

    def add(self, index: torch.Tensor, result: GatedLoss) -> None:
        """Record the result of a batch. index (B,) are its utterances."""
        self.losses[index] = result.losses.float()
        self.decision[index] = result.decision
        self.target[index] = result.target.int()

    def gather(self) -> None:
        """Sum the records over all processes, and move them to the CPU. Every process must call this."""
        for name in FIELDS:
            setattr(self, name, self.processes.sum(getattr(self, name)).cpu())

    def shares(self) -> dict[str, float]:
        """Shares of kept, corrected and dropped labels."""
        counts = torch.bincount(self.decision.long(), minlength=3).double() / len(self.decision)
        return {name: float(counts[code]) for name, code in DECISIONS.items()}

    def save(self, path: Path) -> None:
        """Write epochNN.npz, which read_record reads."""
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(
            path,
            decision=self.decision.numpy().astype(np.int8),
            target=self.target.numpy(),
            log_loss=log_losses(self.losses.numpy()),
        )

    def state(self) -> dict[str, torch.Tensor]:
        """The records for the checkpoint, which sums them over all processes."""
        return {f"sum:{name}": getattr(self, name) for name in FIELDS}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Take back the sums of the checkpoint. Only the first process gets them, so that they are counted once."""
        if self.processes.first:
            for name in FIELDS:
                getattr(self, name).copy_(state[f"sum:{name}"])
