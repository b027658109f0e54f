#!/usr/bin/env python3
"""Stage II: a round of AAM-softmax training on pseudo labels, gated by their losses, corrected by the model itself.

Reads   DATA_DIR/wav.scp (or feats.scp with input: feats), UTT2CLUSTER (`utt cluster`), MODEL to start from.
Writes  OUT_DIR/{config.yaml, command, metrics.jsonl, checkpoint.pt, model.pt}, and per epoch OUT_DIR/gate/epochNN.npz:
        decision (0 dropped, 1 kept, 2 corrected) and target cluster of every utterance, in the order of DATA_DIR.
        Resumes where it stopped; a finished run is left alone.

Example
    steps/train_dlglc.py --config conf/mini/dlglc.yaml --round 1 --noise data/mini/noise --rirs data/mini/rirs \\
        data/mini/train exp/mini/dino/clusters/utt2cluster exp/mini/dino/model.pt exp/mini/round1
"""

import hashlib
import math
from pathlib import Path

import numpy as np
import torch
from libs import cli, models
from libs.archive import read_embeddings
from libs.cli import RecipeError, log
from libs.config import add_config_options, load_config
from libs.datadir import read_table
from libs.dataset import Views, open_crops
from libs.gate import correction_targets, decide_gate, log_losses
from libs.heads import AamSoftmax, aam_losses
from libs.stamp import Stamp
from libs.training import EpochMean, Processes, Task, add_training_options, fit, others_alive, prepare_run, set_seed
from torch import nn

DROPPED, KEPT, CORRECTED = 0, 1, 2
GATE_FALLBACKS = {
    "previous": "the mixture's densities do not cross between its means; the previous threshold stands in",
    "posterior": "the mixture's densities do not cross between its means; the point of posterior 0.5 stands in",
    "none": "the mixture's densities do not cross between its means; every label is trusted in this epoch",
    "opened": "the threshold would keep next to nothing; every label is trusted in this epoch. A later gate.from_epoch "
    "lets the losses fall first",
}


class EncoderWithClassifier(nn.Module):
    """Filter bank energies (B, T, F) to cosines (B, K) with the class weights."""

    def __init__(self, encoder: nn.Module, classifier: AamSoftmax):
        super().__init__()
        self.encoder, self.classifier = encoder, classifier

    def forward(self, feats: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.encoder(feats))


class DlgLc(Task):
    """The gated and corrected loss of one round; per-utterance records live in arrays indexed as DATA_DIR is."""

    def __init__(self, config, encoder, labels, classes, centroids, views, round_number, processes, out_dir):
        self.config, self.views, self.round, self.processes = config, views, round_number, processes
        self.gate_dir = out_dir / "gate"
        self.labels = torch.from_numpy(labels).to(processes.device)
        classifier = AamSoftmax(encoder.embedding_dim, classes, config["scale"])
        if centroids is not None:
            classifier.weight.data.copy_(torch.from_numpy(centroids))
        self.module = processes.wrap(EncoderWithClassifier(encoder.train(), classifier))
        self.encoder = encoder
        self.previous_losses: torch.Tensor | None = None
        self.last_threshold: float | None = None
        self.mean = EpochMean(config["average_epochs"], config["epochs"])
        self._clear()

    def _clear(self):
        """Records of the epoch under way; each utterance belongs to one process, so a sum over them gathers all.

        They stay on the device until the epoch ends: a step does not wait for them.
        """
        self.losses = torch.zeros(len(self.labels), dtype=torch.float32, device=self.labels.device)
        self.decision = torch.zeros_like(self.losses, dtype=torch.int32)
        self.target = torch.zeros_like(self.decision)

    def begin_epoch(self, epoch):
        gate = self.config["gate"]
        if epoch + 1 < gate["from_epoch"] or gate["mode"] == "none":
            self.gate = decide_gate({**gate, "mode": "none"}, None, None, self.round)
        else:
            losses = None if self.previous_losses is None else self.previous_losses.numpy()
            self.gate = decide_gate(gate, losses, self.last_threshold, self.round)
            if self.gate.how in GATE_FALLBACKS:
                log.info("gate: %s", GATE_FALLBACKS[self.gate.how])
            if self.gate.how == "crossing":
                self.last_threshold = self.gate.threshold

    def step(self, batch, epoch, progress):
        config, index = self.config, batch["index"]
        labels = self.labels[index]
        warm = config["margin_warmup_epochs"]
        margin = config["margin"] * min(1.0, progress * config["epochs"] / warm if warm else 1.0)
        feats = self.views(batch, 0)
        cosines = self.module(feats)
        losses = aam_losses(cosines, labels, config["scale"], margin)
        kept = (losses.detach().clamp(min=1e-8).log() <= self.gate.threshold).to(losses.dtype)
        total, target = (kept * losses).sum(), labels
        corrected = torch.zeros_like(kept)
        correction = config["correction"]
        if (
            correction["mode"] != "none"
            and epoch + 1 >= correction["from_epoch"]
            and math.isfinite(self.gate.threshold)
        ):
            with torch.no_grad():
                clean = self._clean_cosines(batch)
                soft, confidence, best = correction_targets(
                    clean, config["scale"], correction["temperature"], correction["mode"] == "hard"
                )
            corrected = (1 - kept) * (confidence > correction["confidence"])
            log_p = (config["scale"] * cosines).log_softmax(dim=-1)
            total = total - (corrected * (soft * log_p).sum(-1)).sum()
            target = torch.where(kept > 0, labels, best)
        self.losses[index] = losses.detach().float()
        self.decision[index] = (KEPT * kept + CORRECTED * corrected).int()
        self.target[index] = target.int()
        right = (cosines.detach().argmax(-1) == labels).float().mean()
        return total / len(labels), {"accuracy": right, "aam": losses.mean()}

    def _clean_cosines(self, batch):
        """Prediction of the crop's clean view, with the batch's own statistics but without moving the running ones."""
        norms = [m for m in self.module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 0.0
        cosines = getattr(self.module, "module", self.module)(self.views(batch, 0, augmented=False))
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        return cosines

    def end_epoch(self, epoch):
        self.losses, self.decision, self.target = (
            self.processes.sum(record).cpu() for record in (self.losses, self.decision, self.target)
        )
        if self.processes.first:
            self.gate_dir.mkdir(exist_ok=True)
            np.savez_compressed(
                self.gate_dir / f"epoch{epoch + 1:02d}.npz",
                decision=self.decision.numpy().astype(np.int8),
                target=self.target.numpy(),
                log_loss=log_losses(self.losses.numpy()),
            )
        count = len(self.decision)
        shares = (torch.bincount(self.decision.long(), minlength=3).double() / count).tolist()
        if math.isfinite(self.gate.threshold) and shares[KEPT] > 0.999:
            log.info("gate: it keeps every label: it has nothing to refuse, and costs nothing")
        self.previous_losses = self.losses
        self.mean.add(epoch, self.encoder.state_dict())
        self._clear()
        finite = math.isfinite(self.gate.threshold)
        return {
            "gate": self.gate.how,
            "threshold": math.exp(self.gate.threshold) if finite else None,
            **({f"mixture_{k}": v for k, v in self.gate.mixture.items()} if self.gate.mixture else {}),
            "kept": shares[KEPT],
            "corrected": shares[CORRECTED],
            "dropped": shares[DROPPED],
        }

    def state(self):
        return {
            "previous": self.previous_losses,
            "last_threshold": self.last_threshold,
            "averaged": self.mean.sums,
            "sum:losses": self.losses,
            "sum:decision": self.decision,
            "sum:target": self.target,
        }

    def load_state(self, state):
        self.previous_losses, self.last_threshold = state["previous"], state["last_threshold"]
        self.mean.sums = {k: v.to(self.processes.device) for k, v in state["averaged"].items()}
        if self.processes.first:  # the sum over processes went into the checkpoint: it belongs to one of them
            for record in ("losses", "decision", "target"):
                getattr(self, record).copy_(state[f"sum:{record}"])


def read_labels(path: Path, ids: list[str], data_dir: Path) -> tuple[np.ndarray, int]:
    """Cluster numbers of the utterances in their order, renumbered without gaps, and how many clusters there are."""
    table = read_table(path)
    missing = next((utt for utt in ids if utt not in table), None)
    if missing is not None:
        raise RecipeError(f"{path}: no cluster for '{missing}' of {data_dir}: cluster this data directory again")
    names, labels = np.unique([table[utt] for utt in ids], return_inverse=True)
    if len(names) < 2:
        raise RecipeError(f"{path}: all utterances are in one cluster: choose a larger --num-clusters")
    return labels.astype(np.int64), len(names)


def cluster_means(embedding_scp: Path, ids: list[str], labels: np.ndarray, classes: int) -> np.ndarray:
    """Mean unit-length embedding of each cluster, (K, D): class weights to start from."""
    found, matrix = read_embeddings(embedding_scp)
    if found != ids:
        raise RecipeError(f"{embedding_scp}: its ids are not those of the training data: extract the embeddings again")
    matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    means = np.zeros((classes, matrix.shape[1]))
    np.add.at(means, labels, matrix)
    return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)


def main():
    parser = cli.parser(__doc__)
    add_config_options(parser, "dlglc")
    add_training_options(parser)
    parser.add_argument("--round", type=int, default=1, help="number of this round, from 1 (default: 1)")
    parser.add_argument(
        "--embeddings", type=Path, metavar="SCP", help="of DATA_DIR by MODEL; for classifier: centroids"
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("utt2cluster", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    config = load_config("dlglc", args.config, args.set)
    augment_config = load_config("augment", args.augment_config)
    augment_config["probability"] = config["augment_probability"]
    encoder, fbank, described = models.load_model(args.model)
    seed = args.seed
    # Rounds draw other crops: the round is part of the seed.
    args.seed = int(hashlib.sha256(f"{args.seed} {args.round}".encode()).hexdigest()[:8], 16)
    crops, augmenter = open_crops(config["input"], args, fbank, augment_config, [(1, config["crop_seconds"])])
    labels, classes = read_labels(args.utt2cluster, crops.ids, args.data_dir)
    centroids = None
    if config["classifier"] == "centroids":
        if args.embeddings is None:
            raise RecipeError("classifier: centroids needs --embeddings, the training set's embedding.scp by MODEL")
        centroids = cluster_means(args.embeddings, crops.ids, labels, classes)
    elif config["classifier"] != "random":
        raise RecipeError(f"classifier '{config['classifier']}': choose random or centroids")
    table = "wav.scp" if config["input"] == "wav" else "feats.scp"
    inputs = [args.data_dir / table, args.utt2cluster, args.model, args.embeddings if centroids is not None else None]
    inputs += [d and Path(d) / "wav.scp" for d in (args.noise, args.rirs)]
    settings = {"dlglc": config, "augment": augment_config, "seed": seed, "round": args.round}
    stamp = Stamp(args.out_dir / "stamp.json", settings, inputs)
    processes = Processes(args.device)
    if prepare_run(args.out_dir, config, stamp, processes, args.overwrite):
        set_seed(args.seed)
        log.info("%d utterances in %d clusters", len(labels), classes)
        views = Views(fbank.to(processes.device), augmenter)
        task = DlgLc(config, encoder, labels, classes, centroids, views, args.round, processes, args.out_dir)
        with others_alive(args.out_dir, processes):
            fit(task, crops, config, args.out_dir, processes, args.max_hours)
        if processes.first:
            models.save_model(
                args.out_dir / "model.pt",
                described["encoder"],
                described["fbank"],
                task.mean.of(encoder.state_dict()),
                config["input"],
            )
    processes.close()


if __name__ == "__main__":
    cli.run(main)
