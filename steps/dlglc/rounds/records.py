"""What a round notes of every utterance in an epoch: loss, decision, target."""

from pathlib import Path

import numpy as np
import torch

from ..training.distributed import Processes
from .gate import log_losses
from .loss import CORRECTED, DROPPED, KEPT, GatedLoss

FIELDS = ("losses", "decision", "target")


class EpochRecords:
    """The records of an epoch, indexed as the data directory is.

    They stay on the device until the epoch ends, so that a step does not wait for them. Each utterance belongs to one
    process and all others hold 0 for it: the sum over processes has everything.

    Args:
        count: utterances N.
        processes: this one among those of the training.
    """

    def __init__(self, count: int, processes: Processes):
        self.processes = processes
        self.losses = torch.zeros(count, dtype=torch.float32, device=processes.device)
        self.decision = torch.zeros(count, dtype=torch.int32, device=processes.device)
        self.target = torch.zeros_like(self.decision)

    def note(self, index: torch.Tensor, result: GatedLoss) -> None:
        """Take in a batch; index (B,) are its utterances."""
        self.losses[index] = result.losses.float()
        self.decision[index] = result.decision
        self.target[index] = result.target.int()

    def gather(self) -> None:
        """Bring the records of all processes together, on the CPU."""
        for name in FIELDS:
            setattr(self, name, self.processes.sum(getattr(self, name)).cpu())

    def shares(self) -> dict[str, float]:
        """Share of the labels that was kept, corrected, dropped."""
        counts = torch.bincount(self.decision.long(), minlength=3).double() / len(self.decision)
        return {"kept": float(counts[KEPT]), "corrected": float(counts[CORRECTED]), "dropped": float(counts[DROPPED])}

    def save(self, path: Path) -> None:
        """Write the epoch's .npz: decision (0 dropped, 1 kept, 2 corrected), target cluster, log_loss."""
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(
            path,
            decision=self.decision.numpy().astype(np.int8),
            target=self.target.numpy(),
            log_loss=log_losses(self.losses.numpy()),
        )

    def state(self) -> dict[str, torch.Tensor]:
        """For the checkpoint, which sums the shares of all processes."""
        return {f"sum:{name}": getattr(self, name) for name in FIELDS}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """The sum over processes went into the checkpoint; from there it belongs to one of them."""
        if self.processes.first:
            for name in FIELDS:
                getattr(self, name).copy_(state[f"sum:{name}"])
