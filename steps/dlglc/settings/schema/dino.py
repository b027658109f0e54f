"""Form of conf/dino.yaml."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .sections import (
    BelowOne,
    Clash,
    Count,
    CountOrNone,
    CropSeconds,
    NotNegative,
    Positive,
    Section,
    Share,
    TwoOrMore,
)
from .training import TrainingSettings


class EncoderSettings(Section):
    """The section `encoder` of conf/dino.yaml, and what model.pt says of its encoder."""

    name: Literal["ecapa_tdnn", "resnet34", "campplus", "resnet221", "resnet293", "eres2net", "eres2netv2"]
    channels: Count
    embedding_dim: Count
    aggregate: CountOrNone
    scale: TwoOrMore
    attention: Count
    stride: Annotated[int, Field(ge=1, le=8)]
    speechbrain: bool
    base_width: Annotated[int, Field(ge=1, le=64)]
    expansion: Annotated[int, Field(ge=1, le=8)]

    @model_validator(mode="after")
    def _check(self) -> "EncoderSettings":
        channels = self.channels
        if self.name == "ecapa_tdnn" and channels % self.scale:
            reason = f"{channels} is not a multiple of scale {self.scale}, the groups of a Res2Net block: change one"
            raise Clash("channels", reason, "scale", "name")
        if self.name == "campplus" and channels % 2:
            raise Clash("channels", f"{channels} is odd, and CAM++ halves its channels: 128 in the paper", "name")
        if self.name.startswith(("resnet", "eres2net")) and channels > 128:
            raise Clash(
                "channels", f"{channels} is too wide for {self.name}: 128 at most, 32 in the literature", "name"
            )
        # The narrowest fusion of ERes2Net is in its third group, and the narrowest Res2Net group in its first.
        if self.name.startswith("eres2net") and (
            4 * channels * self.base_width < 256 or channels * self.base_width < 64
        ):
            reason = f"{channels} channels of base_width {self.base_width} leave no channel for a group: widen one"
            raise Clash("channels", reason, "base_width", "name")
        return self


class HeadSettings(Section):
    """The section `head` of conf/dino.yaml."""

    hidden: Count
    bottleneck: Count
    outputs: TwoOrMore


class TemperatureSettings(Section):
    """The section `teacher_temperature` of conf/dino.yaml."""

    start: Positive
    end: Positive
    warmup: Share


class ContrastiveSettings(Section):
    """The section `contrastive` of conf/dino.yaml."""

    epochs: Count
    batch_size: TwoOrMore
    seconds: CropSeconds
    temperature: Positive


class DinoSettings(TrainingSettings):
    """conf/dino.yaml."""

    idea: ClassVar[str] = "dino"
    stage1: Literal["dino", "contrastive", "contrastive+dino"]
    contrastive: ContrastiveSettings
    long_crops: Count
    long_seconds: CropSeconds
    short_crops: CountOrNone
    short_seconds: CropSeconds
    encoder: EncoderSettings
    head: HeadSettings
    student_temperature: Positive
    teacher_temperature: TemperatureSettings
    centre_momentum: Share  # 1 shows how DINO collapses
    teacher_momentum: BelowOne
    cosine_weight: NotNegative
    freeze_last_epochs: CountOrNone
    on_collapse: Literal["stop", "warn"]
    keep_every: CountOrNone

    @model_validator(mode="after")
    def _check(self) -> "DinoSettings":
        if self.long_crops + self.short_crops < 2:
            raise Clash(
                "short_crops",
                "teacher and student would see the same one crop: set long_crops: 2, or a short crop",
                "long_crops",
            )
        if self.short_crops and self.short_seconds > self.long_seconds:
            raise Clash(
                "short_seconds",
                f"short crops would be longer ({self.short_seconds:g} s) than long ones ({self.long_seconds:g} s, "
                "long_seconds): exchange the two",
                "long_seconds",
                "short_crops",
            )
        if 0 < self.epochs <= self.freeze_last_epochs:
            raise Clash(
                "freeze_last_epochs",
                f"the prototypes would never be trained (epochs: {self.epochs}): lower it, or train longer",
                "epochs",
            )
        if 0 < self.epochs < self.keep_every:
            raise Clash(
                "keep_every", f"a run of {self.epochs} epochs would keep no teacher: lower it, or set 0", "epochs"
            )
        own, warm = self.contrastive, self.optimiser.warmup_epochs
        if self.stage1 != "dino" and warm > own.epochs:
            raise Clash(
                "contrastive.epochs",
                f"the rate would still be rising after the last of {own.epochs} epochs (optimiser.warmup_epochs "
                f"{warm:g}): train longer, or shorten the warm-up",
                "optimiser.warmup_epochs",
                "stage1",
            )
        if self.stage1 != "dino" and 2 * self.accumulate > own.batch_size:
            raise Clash(
                "contrastive.batch_size",
                f"accumulate: {self.accumulate} parts of {own.batch_size} utterances: a part needs two or more: use a "
                "larger batch, or fewer parts",
                "accumulate",
                "stage1",
            )
        return self
