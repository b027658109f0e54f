"""A round of DLG-LC as a task of the training loop."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..arrays import Array
from ..console import log
from ..data.crops import Batch
from ..data.views import Views
from ..encoders.base import Encoder, evaluating
from ..settings.schema import DlglcSettings
from ..training.distributed import Processes, unwrapped
from ..training.optimiser import EpochMean
from ..training.task import Figures, Task
from .adaptation import Adaptation
from .classifier import AamSoftmax
from .gate import GateDecision, decide_gate
from .held_out import HeldOut, Split
from .loss import dlglc_loss, relabelled_loss
from .predictions import predict, random_confidence
from .records import DECISIONS, EpochRecords, read_record, record_file

GATE_MESSAGES = {
    "previous": "the mixture's densities do not cross between its means; the threshold of an earlier epoch is used",
    "posterior": "the mixture's densities do not cross between its means; the point of posterior 0.5 is used",
    "none": "the mixture's densities do not cross between its means; every label is trusted in this epoch",
    "opened": "the threshold would keep too few labels; every label is trusted in this epoch. With a later "
    "gate.from_epoch the losses are lower when the gate starts",
}


class EncoderWithClassifier(nn.Module):
    """Filter bank energies (B, T, F) to cosines (B, K) with the class weights."""

    def __init__(self, encoder: nn.Module, classifier: AamSoftmax):
        super().__init__()
        self.encoder, self.classifier = encoder, classifier

    def forward(self, feats: torch.Tensor) -> torch.Tensor:
        cosines: torch.Tensor = self.classifier(self.encoder(feats))
        return cosines


class DlgLc(Task):
    """The gated and corrected loss of one round, and its records of every utterance.

    Args:
        settings: of conf/dlglc.yaml.
        encoder: the encoder to start from.
        labels: (N,) int64 clusters 0 to K-1, in the order of the data directory.
        classes: K.
        centroids: (K, D) initial class weights; None = random weights.
        views: turns batches into features.
        round_number: from 1.
        processes: the processes of the training.
        out_dir: the records go to OUT_DIR/gate.
        network: what is trained of the encoder: its last parts (LastParts); None = the encoder itself.
        held_out: the sign by which an epoch is chosen; None = the last epochs.
        split: where the labels stand in the data directory; None = they are those of all its utterances.
        embed: gives the embeddings (N, D) of all whole utterances by the encoder as it is now; None = it cannot, which
            only correction.mode: utterance needs.
        seed: of what the task draws.
    """

    def __init__(
        self,
        settings: DlglcSettings,
        encoder: Encoder,
        labels: Array,
        classes: int,
        centroids: Array | None,
        views: Views,
        round_number: int,
        processes: Processes,
        out_dir: Path,
        network: nn.Module | None = None,
        held_out: HeldOut | None = None,
        split: Split | None = None,
        embed: Callable[[], Array] | None = None,
        seed: int = 0,
    ):
        self.split = split
        self.embed, self.seed = embed, seed
        self.prepared_epoch = -1
        self.confidence = settings.correction.confidence
        self.best = torch.zeros(len(labels), dtype=torch.int64, device=processes.device)
        self.sure = torch.zeros(len(labels), dtype=torch.bool, device=processes.device)
        self.settings, self.views, self.round_number, self.processes = settings, views, round_number, processes
        self.gate_dir = out_dir / "gate"
        self.labels = torch.from_numpy(labels).to(processes.device)
        classifier = AamSoftmax(encoder.embedding_dim, classes, settings.scale)
        if centroids is not None:
            classifier.weight.data.copy_(torch.from_numpy(centroids))
        self.encoder = encoder.to(processes.device)
        network = encoder if network is None else network
        self.adaptation = Adaptation(settings.adapt, encoder, network, held_out)
        self.module = processes.wrap(EncoderWithClassifier(network, classifier))
        self.classifier = classifier
        self.records = EpochRecords(len(labels), processes)
        self.previous_losses: torch.Tensor | None = None
        self.last_threshold: float | None = None
        self.mean = EpochMean(settings.average_epochs, settings.epochs)

    def begin_epoch(self, epoch: int) -> None:
        """Set the gate from the losses of the epoch before."""
        if epoch == 0 and not self.adaptation.best:
            self.adaptation.measure_start(self.processes.device)
        self.gate = self.decide(epoch)
        if self.gate.how == "crossing":
            self.last_threshold = self.gate.threshold
        if self.gate.how in GATE_MESSAGES:
            log.info("gate: %s", GATE_MESSAGES[self.gate.how])
        if self.corrects(epoch) and self.prepared_epoch != epoch:
            self.prepare_correction()
            self.prepared_epoch = epoch

    def prepare_correction(self) -> None:
        """Do what correction needs once per epoch, with encoder and class weights as they are at its start.

        Mode utterance: predict the classes of all whole utterances. Other modes: set the confidence.
        """
        correction, scale = self.settings.correction, self.settings.scale
        if correction.mode == "utterance":
            assert self.embed is not None
            with evaluating(self.encoder):
                found = predict(self.embed(), self.labels.cpu().numpy(), correction.random_share, self.seed)
            self.best.copy_(torch.from_numpy(found.best))
            self.sure.copy_(torch.from_numpy(found.sure))
        elif correction.random_share < 1:
            weights = self.classifier.weight
            limit = random_confidence(weights, scale, correction.temperature, correction.random_share, self.seed)
            self.confidence = max(correction.confidence, limit)

    def decide(self, epoch: int) -> GateDecision:
        """The gate of an epoch (from 0). Before gate.from_epoch every label is trusted."""
        settings = self.settings.gate
        losses = None if self.previous_losses is None else self.previous_losses.numpy()
        if epoch + 1 < settings.from_epoch:
            return GateDecision(math.inf, "off")
        return decide_gate(settings, losses, self.last_threshold, self.round_number)

    def step(self, batch: Batch, epoch: int, progress: float) -> tuple[torch.Tensor, Figures]:
        settings, labels = self.settings, self.labels[batch["index"]]
        cosines = self.module(self.views(batch, 0))
        corrects, margin = self.corrects(epoch), self.margin(progress)
        if corrects and settings.correction.mode == "utterance":
            best, sure = self.best[batch["index"]], self.sure[batch["index"]]
            weight = self.correction_weight(progress)
            result = relabelled_loss(
                cosines, labels, best, sure, self.gate.threshold, scale=settings.scale, margin=margin, weight=weight
            )
        else:
            result = dlglc_loss(
                cosines,
                labels,
                self.clean_cosines(batch) if corrects else None,
                self.gate.threshold,
                scale=settings.scale,
                margin=margin,
                temperature=settings.correction.temperature,
                confidence=self.confidence,
                hard=settings.correction.mode == "hard",
                gate_margin=settings.gate.margin,
            )
        self.records.add(batch["index"], result)
        right = (cosines.detach().argmax(-1) == labels).float().mean()
        return result.total + self.adaptation.penalty(), {"accuracy": right, "aam": result.losses.mean()}

    def rate_factors(self) -> dict[nn.Parameter, float]:
        return {**self.adaptation.factors, self.classifier.weight: self.settings.adapt.classifier_factor}

    def margin(self, progress: float) -> float:
        """The margin at a share of the run. It rises from 0 over the first margin_warmup_epochs."""
        warm = self.settings.margin_warmup_epochs
        return self.settings.margin * min(1.0, progress * self.settings.epochs / warm if warm else 1.0)

    def correction_weight(self, progress: float) -> float:
        """The weight of labels that mode utterance corrects. It rises from 0 to 1 over ramp_epochs."""
        correction = self.settings.correction
        since = progress * self.settings.epochs - (correction.from_epoch - 1)
        return min(1.0, since / correction.ramp_epochs) if correction.ramp_epochs else 1.0

    def corrects(self, epoch: int) -> bool:
        """True if labels that the gate does not keep can be corrected in this epoch."""
        correction = self.settings.correction
        return correction.mode != "none" and epoch + 1 >= correction.from_epoch and math.isfinite(self.gate.threshold)

    @torch.no_grad()
    def clean_cosines(self, batch: Batch) -> torch.Tensor:
        """(B, K) cosines of the clean view. Batch norm uses the statistics of the batch, and keeps its running ones."""
        norms = [m for m in self.module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 0.0
        cosines: torch.Tensor = unwrapped(self.module)(self.views(batch, 0, augmented=False))
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        return cosines

    def end_epoch(self, epoch: int) -> Figures:
        self.records.gather()
        if self.processes.first:
            self.records.save(record_file(self.gate_dir, epoch + 1), self.split)
        shares = self.records.shares()
        gated = math.isfinite(self.gate.threshold)
        if gated and shares["kept"] > 0.999:
            log.info("gate: the threshold keeps every label: the gate has no effect in this epoch")
        self.previous_losses = self.records.losses
        self.mean.add(epoch, self.encoder.state_dict())
        self.records = EpochRecords(len(self.labels), self.processes)
        mixture = {f"mixture_{name}": values for name, values in (self.gate.mixture or {}).items()}
        threshold = math.exp(self.gate.threshold) if gated else None
        sign = self.adaptation.measure(self.processes.device)
        return {"gate": self.gate.how, "threshold": threshold, **mixture, **shares, **sign}

    def finished(self) -> bool:
        return self.adaptation.finished()

    def histograms(self, epoch: int) -> dict[str, Array]:
        """ln(loss) of all labels, and of those that were kept, corrected and dropped; empty without a record."""
        file = record_file(self.gate_dir, epoch + 1)
        if not file.exists():
            return {}
        record = read_record(file)
        parts = {f"log_loss_{name}": record.log_loss[record.decision == code] for name, code in DECISIONS.items()}
        return {name: values for name, values in {"log_loss": record.log_loss, **parts}.items() if len(values)}

    def final_state(self) -> dict[str, torch.Tensor]:
        """The encoder with the best sign, or the mean of the encoders of the last average_epochs epochs."""
        if self.adaptation.best:
            return self.adaptation.choose()
        return self.mean.average(self.encoder.state_dict())

    def state(self) -> dict[str, Any]:
        return {
            "previous": self.previous_losses,
            "last_threshold": self.last_threshold,
            "averaged": self.mean.sums,
            "adaptation": self.adaptation.state(),
            "correction": (self.prepared_epoch, self.confidence, self.best, self.sure),
            **self.records.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.previous_losses, self.last_threshold = state["previous"], state["last_threshold"]
        self.adaptation.load_state(state["adaptation"])
        self.mean.sums = {k: v.to(self.processes.device) for k, v in state["averaged"].items()}
        self.prepared_epoch, self.confidence, best, sure = state["correction"]
        self.best.copy_(best)
        self.sure.copy_(sure)
        self.records.load_state(state)
