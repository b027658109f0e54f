"""What a round adds when it starts from a good encoder: frozen parts, rates by part, a pull, the choice of an epoch."""

from typing import Any

import torch
from torch import nn

from ..console import log
from ..encoders.base import Encoder
from ..settings.schema import AdaptSettings
from ..training.task import State
from .held_out import HeldOut
from .signs import chosen_epoch


class Adaptation:
    """The encoder of a round while it is adapted.

    Args:
        settings: the section `adapt` of conf/dlglc.yaml.
        encoder: the encoder to start from, on the training device. Its parts are frozen or put into training mode.
        network: what is trained of it: the encoder itself, or its last parts (LastParts).
        held_out: the sign by which an epoch is chosen; None = the last epoch.
    """

    def __init__(self, settings: AdaptSettings, encoder: Encoder, network: nn.Module, held_out: HeldOut | None):
        self.settings, self.encoder, self.network, self.held_out = settings, encoder, network, held_out
        parts = encoder.parts()
        frozen = len(parts) - settings.trained_parts if settings.trained_parts else 0
        encoder.train()
        self.factors: dict[nn.Parameter, float] = {}
        for number, part in enumerate(parts):
            for module in part.modules:
                module.requires_grad_(number >= frozen)
                if number < frozen or settings.frozen_norms:
                    module.eval()
                if settings.layer_decay < 1:
                    factor = settings.layer_decay ** (len(parts) - 1 - number)
                    self.factors |= dict.fromkeys(module.parameters(), factor)
        self.trained = [p for p in encoder.parameters() if p.requires_grad]
        self.start = [p.detach().clone() for p in self.trained] if settings.pull else []
        self.best: State = {}
        self.signs: list[float] = []  # of the start and of each epoch

    def penalty(self) -> torch.Tensor | float:
        """The pull towards the start: pull / 2 times the squared distance of the weights (L2-SP, Li, Grandvalet and
        Davoine, ICML 2018, equation 3)."""
        if not self.start:
            return 0.0
        distances = [(p - start).square().sum() for p, start in zip(self.trained, self.start)]
        penalty: torch.Tensor = self.settings.pull / 2 * torch.stack(distances).sum()
        return penalty

    def measure(self, device: torch.device) -> dict[str, float]:
        """Measure the sign, and keep the weights if it is the lowest so far.

        Returns:
            held_out_eer and held_out_start: the sign now, and that of the start. Empty if nothing is held out.
        """
        if self.held_out is None:
            return {}
        self.signs.append(self.held_out.error_rate(self.network, device))
        if self.chosen == len(self.signs) - 1:
            self.best = {name: value.detach().clone() for name, value in self.encoder.state_dict().items()}
        return {"held_out_eer": self.signs[-1], "held_out_start": self.signs[0]}

    def measure_start(self, device: torch.device) -> None:
        """Measure the start, before the first step."""
        found = self.measure(device)
        if found:
            log.info("start: held_out_eer %.4g", found["held_out_eer"])

    @property
    def chosen(self) -> int:
        """The epoch whose weights are kept, from 1; 0 = the start."""
        return chosen_epoch(self.signs[0], self.signs[1:])

    def finished(self) -> bool:
        """True if the sign was not lower than before for `patience` epochs."""
        patience = self.settings.patience
        return bool(patience and self.signs) and len(self.signs) - 1 - self.chosen >= patience

    def choose(self) -> State:
        """The weights with the lowest sign, and a line in the log about them."""
        start, lowest = self.signs[0], min(self.signs)
        if self.chosen:
            log.info(
                "held-out clusters: the model is that of epoch %d, with the error rate %.4g %% (start: %.4g %%)",
                self.chosen, lowest, start,
            )  # fmt: skip
        else:
            log.warning(
                "held-out clusters: no epoch has a lower error rate than the start (%.4g %%; lowest after training "
                "%.4g %%): the model is the start, unchanged. With a lower optimiser.lr the training may help",
                start, min(self.signs[1:], default=start),
            )  # fmt: skip
        return self.best

    def state(self) -> dict[str, Any]:
        """The choice so far and the start, for the checkpoint."""
        return {"signs": self.signs, "best": self.best, "start": self.start}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what state() returned."""
        self.signs, self.best = state["signs"], state["best"]
        for ours, saved in zip(self.start, state["start"]):
            ours.copy_(saved)
