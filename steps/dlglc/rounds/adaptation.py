"""What a round adds when it starts from a good encoder: frozen parts, rates by part, a pull, the choice of an epoch."""

import math
from typing import Any

import torch
from torch import nn

from ..console import log
from ..encoders.base import Encoder
from ..settings.schema import AdaptSettings
from ..training.task import State
from .held_out import HeldOut


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
        self.lowest = math.inf

    def penalty(self) -> torch.Tensor | float:
        """The pull towards the start: pull / 2 times the squared distance of the weights (L2-SP, Li, Grandvalet and
        Davoine, ICML 2018, equation 3)."""
        if not self.start:
            return 0.0
        distances = [(p - start).square().sum() for p, start in zip(self.trained, self.start)]
        penalty: torch.Tensor = self.settings.pull / 2 * torch.stack(distances).sum()
        return penalty

    def measure(self, device: torch.device) -> dict[str, float]:
        """Measure the sign, and keep the weights if it is the lowest so far. Empty if nothing is held out."""
        if self.held_out is None:
            return {}
        sign = self.held_out.error_rate(self.network, device)
        if sign < self.lowest:
            self.lowest = sign
            self.best = {name: value.detach().clone() for name, value in self.encoder.state_dict().items()}
        return {"held_out_eer": sign}

    def measure_start(self, device: torch.device) -> None:
        """Measure the start, before the first step."""
        for name, sign in self.measure(device).items():
            log.info("start: %s %.4g", name, sign)

    def state(self) -> dict[str, Any]:
        """The choice so far and the start, for the checkpoint."""
        return {"lowest": self.lowest, "best": self.best, "start": self.start}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take back what state() returned."""
        self.lowest, self.best = state["lowest"], state["best"]
        for ours, saved in zip(self.start, state["start"]):
            ours.copy_(saved)
