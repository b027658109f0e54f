#!/usr/bin/env python3
"""Stage I: DINO pretraining of a speaker encoder on unlabelled speech.

Reads   DATA_DIR/wav.scp (or feats.scp with input: feats), noise and impulse response directories.
Writes  OUT_DIR/{config.yaml, command, metrics.jsonl, checkpoint.pt, model.pt}; model.pt is the teacher, epochs/NN.pt
        that of epoch NN where keep_every asks for it.
        Resumes where it stopped; a finished run is left alone. With epochs=0 model.pt is the untrained encoder.

Example
    steps/train_dino.py --config conf/mini/dino.yaml --noise data/mini/noise --rirs data/mini/rirs \\
        data/mini/train exp/mini/dino
    torchrun --standalone --nproc_per_node=4 steps/train_dino.py data/voxceleb/train exp/voxceleb/dino
"""

import copy
from pathlib import Path

import torch
from libs import cli, models
from libs.cli import RecipeError, log
from libs.config import add_config_options, load_config
from libs.dataset import Views, open_crops
from libs.dino import (
    collapse,
    cosine_consistency,
    dino_loss,
    ema_update,
    health,
    teacher_momentum,
    teacher_probabilities,
    teacher_temperature,
)
from libs.encoders import build_encoder
from libs.fbank import Fbank
from libs.heads import DinoHead
from libs.stamp import Stamp
from libs.training import EpochMean, Processes, Task, add_training_options, fit, others_alive, prepare_run, set_seed
from torch import nn


class EncoderWithHead(nn.Module):
    """Encoder and head over views of several lengths: (embeddings, head outputs) of all views, (V, B, ·)."""

    def __init__(self, encoder: nn.Module, head: nn.Module):
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, views: list[torch.Tensor], batch: int) -> tuple[torch.Tensor, torch.Tensor]:
        embeddings = torch.cat([self.encoder(view) for view in views])
        return embeddings.unflatten(0, (-1, batch)), self.head(embeddings).unflatten(0, (-1, batch))


class Dino(Task):
    """Student, teacher and centre (method: docstrings of libs/dino.py)."""

    def __init__(self, config: dict, encoder: nn.Module, views: Views, processes: Processes, save):
        student = EncoderWithHead(
            encoder,
            DinoHead(config["encoder"]["embedding_dim"], **config["head"]),
        )
        self.config, self.processes, self.views, self.save = config, processes, views, save
        self.teacher = processes.synchronise(copy.deepcopy(student).to(processes.device).requires_grad_(False))
        self.module = processes.wrap(student)
        self.student = student if processes.world == 1 else self.module.module
        self.pairs = list(self.teacher.parameters()), list(self.student.parameters())
        self.centre = torch.zeros(config["head"]["outputs"], device=processes.device)
        self.mean = EpochMean(config["average_epochs"], config["epochs"])
        # The centre forgets as much in an update of several parts as in one.
        self.centre_momentum = config["centre_momentum"] ** (1 / config["accumulate"])

    def step(self, batch, epoch, progress):
        config, size = self.config, len(batch["index"])
        long = self.views(batch, 0)
        short = [self.views(batch, 1)] if config["short_crops"] else []
        student_embeddings, student = self.module([long, *short], size)
        with torch.no_grad():
            teacher_embeddings, teacher = self.teacher([long], size)
            temperature = teacher_temperature(
                config["teacher_temperature"], progress * config["epochs"], config["epochs"]
            )
            targets = teacher_probabilities(teacher, self.centre, temperature)
            centre = self.processes.mean(teacher.float().mean((0, 1)))
            self.centre.lerp_(centre, 1 - self.centre_momentum)
        cross_entropy = dino_loss(student, targets, config["student_temperature"])
        figures = {"cross_entropy": cross_entropy, **health(targets, teacher_embeddings)}
        if not config["cosine_weight"]:
            return cross_entropy, figures
        cosine = cosine_consistency(student_embeddings, teacher_embeddings)
        return cross_entropy + config["cosine_weight"] * cosine, {**figures, "cosine": cosine}

    def before_update(self, epoch):
        if epoch < self.config["freeze_last_epochs"]:
            self.student.head.last.weight.grad = None

    def after_update(self, progress):
        ema_update(*self.pairs, teacher_momentum(self.config["teacher_momentum"], progress))

    def end_epoch(self, epoch):
        every = self.config["keep_every"]
        if every and (epoch + 1) % every == 0 and self.processes.first:
            self.save(f"epochs/{epoch + 1:02d}.pt", self.teacher.encoder.state_dict())
        self.mean.add(epoch, self.teacher.encoder.state_dict())
        return {}

    def judge_epoch(self, epoch, figures):
        """Say, or stop, when the outputs are alike once the learning rate is up."""
        utterances = self.config["batch_size"] // (self.processes.world * self.config["accumulate"])
        reason = collapse(figures, self.config["head"]["outputs"], utterances)
        if reason is None or epoch + 1 <= self.config["optimiser"]["warmup_epochs"]:
            return
        if self.config["on_collapse"] == "stop":
            raise RecipeError(f"collapse after epoch {epoch + 1}: {reason}; on_collapse: warn goes on nevertheless")
        log.info("collapse: %s", reason)

    def state(self):
        return {"teacher": self.teacher.state_dict(), "centre": self.centre, "averaged": self.mean.sums}

    def load_state(self, state):
        self.teacher.load_state_dict(state["teacher"])
        self.centre.copy_(state["centre"])
        self.mean.sums = {k: v.to(self.processes.device) for k, v in state["averaged"].items()}


def warm_start(encoder: nn.Module, path: Path, encoder_config: dict, fbank_config: dict) -> None:
    """Give the encoder the weights of a model.pt of the same encoder and features."""
    start, _, described = models.load_model(path)
    for idea, wanted in (("encoder", encoder_config), ("fbank", fbank_config)):
        other = [f"{k} {described[idea].get(k)}, here {v}" for k, v in wanted.items() if described[idea].get(k) != v]
        if other:
            raise RecipeError(f"{path}: its {idea} has {'; '.join(other)}: take over its settings, or start without it")
    encoder.load_state_dict(start.state_dict())


def main():
    parser = cli.parser(__doc__)
    add_config_options(parser, "dino")
    add_training_options(parser)
    parser.add_argument(
        "--initial-model", type=Path, metavar="MODEL", help="model.pt whose encoder to start from (default: random)"
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    config = load_config("dino", args.config, args.set)
    fbank_config = load_config("fbank", args.fbank_config)
    augment_config = load_config("augment", args.augment_config)
    fbank = Fbank(fbank_config)
    spec = [(config["long_crops"], config["long_seconds"])]
    if config["short_crops"]:
        spec.append((config["short_crops"], config["short_seconds"]))
    crops, augmenter = open_crops(config["input"], args, fbank, augment_config, spec)
    table = "wav.scp" if config["input"] == "wav" else "feats.scp"
    stamp = Stamp(
        args.out_dir / "stamp.json",
        {"dino": config, "fbank": fbank_config, "augment": augment_config, "seed": args.seed},
        [args.data_dir / table, args.initial_model, *(d and Path(d) / "wav.scp" for d in (args.noise, args.rirs))],
    )
    processes = Processes(args.device)
    if prepare_run(args.out_dir, config, stamp, processes, args.overwrite):
        set_seed(args.seed)

        def save(name, state):
            (args.out_dir / name).parent.mkdir(exist_ok=True)
            models.save_model(args.out_dir / name, config["encoder"], fbank_config, state, config["input"])

        encoder = build_encoder(config["encoder"], fbank.num_mel_bins)
        if args.initial_model:
            warm_start(encoder, args.initial_model, config["encoder"], fbank_config)
        task = Dino(config, encoder, Views(fbank.to(processes.device), augmenter), processes, save)
        with others_alive(args.out_dir, processes):
            fit(task, crops, config, args.out_dir, processes, args.max_hours)
        if processes.first:
            save("model.pt", task.mean.of(task.teacher.encoder.state_dict()))
    processes.close()


if __name__ == "__main__":
    cli.run(main)
