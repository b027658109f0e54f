"""Types, ranges and choices of every setting, and the settings that exclude each other.

A class here is the form of one file conf/<idea>.yaml, and its fields are the keys of that file. The values, and what
they mean, stand in the file. Settings arrive as frozen objects: `settings.gate.mode`.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]  # 0 = none, off or all, as the file says
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Clash(ValueError):
    """Settings that are valid one by one and not together.

    Args:
        key: the setting that the message is about, e.g. "gate.from_epoch".
        reason: what is wrong, and what to do.
        with_keys: the others; the message points at the one of all that the user has set.
    """

    def __init__(self, key: str, reason: str, *with_keys: str):
        super().__init__(reason)
        self.key, self.with_keys = key, with_keys


class Section(BaseModel):
    """Keys that belong together. Nothing is converted: "3" is no number, 1.0 no whole one, NaN no value."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Settings(Section):
    """One file of conf/."""

    idea: ClassVar[str]  # the file's name, without .yaml


class FbankSettings(Settings):
    """conf/fbank.yaml."""

    idea: ClassVar[str] = "fbank"
    sample_rate: Count
    frame_length_ms: Positive
    frame_shift_ms: Positive
    num_mel_bins: Count
    low_freq: NotNegative
    high_freq: float
    preemphasis: Share
    window: Literal["povey", "hamming"]
    compression: Literal[0, 2, 3]

    @model_validator(mode="after")
    def _check(self) -> "FbankSettings":
        if not 0 <= self.low_freq < self.highest_freq <= self.sample_rate / 2:
            raise Clash(
                "high_freq",
                f"low_freq {self.low_freq:g} and high_freq {self.high_freq:g} leave no band: 0 <= low < high <= "
                f"{self.sample_rate / 2:g} Hz is needed, half of sample_rate",
                "low_freq",
                "sample_rate",
            )
        if self.frame_shift_ms > self.frame_length_ms:
            raise Clash(
                "frame_shift_ms",
                f"frames of {self.frame_length_ms:g} ms would leave gaps",
                "frame_length_ms",
            )
        return self

    @property
    def highest_freq(self) -> float:
        """Upper edge of the last filter, Hz: high_freq, counted from half the sample rate where it is not positive."""
        return self.high_freq if self.high_freq > 0 else self.sample_rate / 2 + self.high_freq


class AugmentSettings(Settings):
    """conf/augment.yaml."""

    idea: ClassVar[str] = "augment"
    probability: Share
    reverb_share: Share
    both_share: Share
    max_rir_seconds: Positive
    snr_db: dict[str, Annotated[list[float], Field(min_length=2, max_length=2)]]

    @model_validator(mode="after")
    def _check(self) -> "AugmentSettings":
        for kind, (low, high) in self.snr_db.items():
            if low > high:
                raise Clash(f"snr_db.{kind}", f"the range goes from {low:g} down to {high:g} dB: write the lower first")
        return self


class EncoderSettings(Section):
    """The section `encoder` of conf/dino.yaml, and what model.pt says of its encoder."""

    name: Literal["ecapa_tdnn", "resnet34", "campplus"]
    channels: Count
    embedding_dim: Count
    aggregate: CountOrNone = 0
    scale: Annotated[int, Field(ge=2)] = 8
    attention: Count = 128
    stride: Count = 1

    @model_validator(mode="after")
    def _check(self) -> "EncoderSettings":
        if self.name == "ecapa_tdnn" and self.channels % self.scale:
            raise Clash(
                "channels", f"{self.channels} is not a multiple of scale {self.scale} (Res2Net's groups)", "scale"
            )
        if self.name == "campplus" and self.channels % 2:
            raise Clash("channels", f"{self.channels} is odd, and CAM++ halves its channels: 128 in the paper", "name")
        if self.name == "resnet34" and self.channels > 128:
            raise Clash(
                "channels", f"{self.channels} is too wide for ResNet34: 128 at most, 32 in the literature", "name"
            )
        return self


class HeadSettings(Section):
    """The section `head` of conf/dino.yaml."""

    hidden: Count
    bottleneck: Count
    outputs: Annotated[int, Field(ge=2)]


class TemperatureSettings(Section):
    """The section `teacher_temperature` of conf/dino.yaml."""

    start: Positive
    end: Positive
    warmup: Share


class OptimiserSettings(Section):
    """The section `optimiser` of conf/dino.yaml and conf/dlglc.yaml."""

    name: Literal["sgd", "adamw"]
    lr: Positive
    final_lr: NotNegative
    scale_batch: CountOrNone
    schedule: Literal["cosine", "exponential"]
    warmup_epochs: NotNegative
    momentum: Annotated[float, Field(ge=0, lt=1)]
    nesterov: bool
    weight_decay: NotNegative

    @model_validator(mode="after")
    def _check(self) -> "OptimiserSettings":
        if self.schedule == "exponential" and self.final_lr == 0:
            raise Clash("final_lr", "an exponential schedule never reaches 0: give a small rate, or schedule: cosine")
        if self.final_lr > self.lr:
            raise Clash("final_lr", f"the rate would rise from lr {self.lr:g} to {self.final_lr:g}: exchange the two")
        if self.name == "sgd" and self.nesterov and self.momentum == 0:
            raise Clash("nesterov", "Nesterov's method needs a momentum above 0: set one, or nesterov: false")
        return self


class TrainingSettings(Settings):
    """What both trainings have: keys of conf/dino.yaml and conf/dlglc.yaml."""

    input: Literal["wav", "feats"]
    epochs: CountOrNone
    batch_size: Annotated[int, Field(ge=2)]
    accumulate: Count
    average_epochs: Count
    clip_grad: NotNegative
    optimiser: OptimiserSettings
    precision: Literal["float32", "bfloat16", "float16"]
    workers: CountOrNone
    checkpoint_minutes: NotNegative

    @model_validator(mode="after")
    def _check_training(self) -> "TrainingSettings":
        if 2 * self.accumulate > self.batch_size:
            raise Clash(
                "accumulate",
                f"{self.accumulate} parts of {self.batch_size} utterances (batch_size): batch norm needs two in each",
                "batch_size",
            )
        warm = self.optimiser.warmup_epochs
        if self.epochs and warm > self.epochs:
            raise Clash(
                "optimiser.warmup_epochs",
                f"the rate would still be rising after the last epoch (epochs: {self.epochs}, warm-up {warm:g}): "
                "shorten the warm-up, or train longer",
                "epochs",
            )
        return self


class DinoSettings(TrainingSettings):
    """conf/dino.yaml."""

    idea: ClassVar[str] = "dino"
    long_crops: Count
    long_seconds: Positive
    short_crops: CountOrNone
    short_seconds: Positive
    encoder: EncoderSettings
    head: HeadSettings
    student_temperature: Positive
    teacher_temperature: TemperatureSettings
    centre_momentum: Share
    teacher_momentum: Share
    cosine_weight: NotNegative
    freeze_last_epochs: CountOrNone
    on_collapse: Literal["stop", "warn"]
    keep_every: CountOrNone

    @model_validator(mode="after")
    def _check(self) -> "DinoSettings":
        if self.long_crops + self.short_crops < 2:
            raise Clash("short_crops", "teacher and student see the same one crop: give long_crops: 2 or a short crop")
        if 0 < self.epochs < self.freeze_last_epochs:
            raise Clash(
                "freeze_last_epochs",
                f"the prototypes would keep still longer than the run (epochs: {self.epochs}): lower it",
                "epochs",
            )
        if 0 < self.epochs < self.keep_every:
            raise Clash(
                "keep_every", f"a run of {self.epochs} epochs would keep no teacher: lower it, or set 0", "epochs"
            )
        return self


class GateSettings(Section):
    """The section `gate` of conf/dlglc.yaml."""

    mode: Literal["dynamic", "fixed", "none"]
    from_epoch: Count
    fixed_thresholds: Annotated[list[Positive], Field(min_length=1)]
    min_kept: Share
    on_failure: Literal["open", "stop"]


class CorrectionSettings(Section):
    """The section `correction` of conf/dlglc.yaml."""

    mode: Literal["soft", "hard", "none"]
    from_epoch: Count
    temperature: Positive
    confidence: Annotated[float, Field(ge=0, lt=1)]


class DlglcSettings(TrainingSettings):
    """conf/dlglc.yaml."""

    idea: ClassVar[str] = "dlglc"
    epochs: Count
    crop_seconds: Positive
    augment_probability: Share
    classifier: Literal["random", "centroids"]
    scale: Positive
    margin: Annotated[float, Field(ge=0, lt=3.14)]
    margin_warmup_epochs: NotNegative
    gate: GateSettings
    correction: CorrectionSettings

    @model_validator(mode="after")
    def _check(self) -> "DlglcSettings":
        gated, corrected = self.gate.mode != "none", self.correction.mode != "none"
        for key, used, first in (
            ("gate", gated, self.gate.from_epoch),
            ("correction", corrected, self.correction.from_epoch),
        ):
            if used and first > self.epochs:
                raise Clash(
                    f"{key}.from_epoch",
                    f"the {key} would begin in epoch {first}, and the round has {self.epochs} (epochs): let it begin "
                    f"earlier, train longer, or say {key}.mode: none",
                    "epochs",
                )
        if corrected and not gated:
            raise Clash(
                "correction.mode",
                "only labels that the gate refuses are corrected, and gate.mode is none: set correction.mode: none too",
                "gate.mode",
            )
        if self.margin and self.margin_warmup_epochs > self.epochs:
            raise Clash(
                "margin_warmup_epochs",
                f"the margin would still be rising after the last epoch (epochs: {self.epochs}): shorten it",
                "epochs",
            )
        return self


class ClusterSettings(Settings):
    """conf/cluster.yaml."""

    idea: ClassVar[str] = "cluster"
    num_clusters: Annotated[int, Field(ge=2)]
    spherical: bool
    subtract_mean: bool
    whiten: Share
    wccn_passes: CountOrNone
    init: Literal["k-means++", "random"]
    restarts: Count
    max_iter: Count
    tolerance: NotNegative
    ahc_from: CountOrNone
    stop_on_bad_sizes: bool

    @model_validator(mode="after")
    def _check(self) -> "ClusterSettings":
        if 0 < self.ahc_from < self.num_clusters:
            raise Clash(
                "ahc_from",
                f"{self.ahc_from} centroids cannot be merged to {self.num_clusters} (num_clusters): raise it, or set 0",
                "num_clusters",
            )
        return self


class BackendSettings(Settings):
    """conf/backend.yaml."""

    idea: ClassVar[str] = "backend"
    whiten: Share
    cohort: Literal["utterances", "clusters"]
    top_n: CountOrNone
    plda_enrolment: Literal["exact", "average"]
    lda_dim: Count
    min_class_size: Count
    iterations: Count
    adapt_within: Share
    adapt_between: Share
    adapt_mean: NotNegative
    calibration_prior: Annotated[float, Field(gt=0, lt=1)]
    calibration_ridge: Positive

    @model_validator(mode="after")
    def _check(self) -> "BackendSettings":
        if self.adapt_within + self.adapt_between > 1:
            raise Clash(
                "adapt_within",
                f"with adapt_between {self.adapt_between:g} it shares out one excess of variance: at most 1 together",
                "adapt_between",
            )
        return self


SCHEMAS: dict[str, type[Settings]] = {
    schema.idea: schema
    for schema in (FbankSettings, AugmentSettings, DinoSettings, ClusterSettings, DlglcSettings, BackendSettings)
}
