"""What conf/dino.yaml and conf/dlglc.yaml have in common."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .sections import BelowOne, Clash, Count, CountOrNone, NotNegative, Positive, Section, Settings, TwoOrMore


class OptimiserSettings(Section):
    """The section `optimiser`."""

    name: Literal["sgd", "adamw"]
    lr: Positive
    final_lr: NotNegative
    scale_batch: CountOrNone
    schedule: Literal["cosine", "exponential"]
    warmup_epochs: NotNegative
    momentum: BelowOne
    nesterov: bool
    weight_decay: NotNegative

    @model_validator(mode="after")
    def _check(self) -> "OptimiserSettings":
        if self.schedule == "exponential" and self.final_lr == 0:
            raise Clash(
                "final_lr",
                "an exponential schedule never reaches 0: give a small rate, or schedule: cosine",
                "schedule",
            )
        if self.final_lr > self.lr:
            raise Clash(
                "final_lr",
                f"the rate would rise from {self.lr:g} (lr) to {self.final_lr:g}: lower it, or raise lr",
                "lr",
            )
        if self.name == "sgd" and self.nesterov and self.momentum == 0:
            raise Clash(
                "nesterov",
                "Nesterov's method needs a momentum above 0: set one, or nesterov: false",
                "momentum",
                "name",
            )
        return self


class TrainingSettings(Settings):
    """The keys that both trainings have."""

    input: Literal["wav", "feats"]
    epochs: CountOrNone
    batch_size: TwoOrMore
    accumulate: Count
    average_epochs: Count
    clip_grad: NotNegative
    optimiser: OptimiserSettings
    precision: Literal["float32", "bfloat16", "float16"]
    workers: Annotated[int, Field(ge=0, le=256)]
    checkpoint_minutes: NotNegative

    @model_validator(mode="after")
    def _check_training(self) -> "TrainingSettings":
        if 2 * self.accumulate > self.batch_size:
            raise Clash(
                "accumulate",
                f"{self.accumulate} parts of {self.batch_size} utterances (batch_size): batch norm needs two in each: "
                "ask for fewer parts",
                "batch_size",
            )
        if not self.epochs:  # an untrained encoder
            return self
        warm = self.optimiser.warmup_epochs
        if warm > self.epochs:
            raise Clash(
                "optimiser.warmup_epochs",
                f"the rate would still be rising after the last epoch (epochs: {self.epochs}, warm-up {warm:g}): "
                "shorten the warm-up, or train longer",
                "epochs",
            )
        if self.average_epochs > self.epochs:
            raise Clash(
                "average_epochs",
                f"the mean would be of {self.average_epochs} epochs, and there are {self.epochs} (epochs): lower it, "
                "1 = the last one only, or train longer",
                "epochs",
            )
        return self
