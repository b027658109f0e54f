"""Form of conf/dlglc.yaml."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from .sections import BelowOne, Clash, Count, CountOrNone, CropSeconds, NotNegative, Positive, Section, Share
from .training import TrainingSettings


class GateSettings(Section):
    """The section `gate` of conf/dlglc.yaml."""

    mode: Literal["dynamic", "fixed", "none"]
    from_epoch: Count
    fixed_thresholds: Annotated[list[Positive], Field(min_length=1)]
    margin: bool
    min_kept: BelowOne
    on_failure: Literal["open", "stop"]


class CorrectionSettings(Section):
    """The section `correction` of conf/dlglc.yaml."""

    mode: Literal["soft", "hard", "utterance", "none"]
    from_epoch: Count
    temperature: Positive
    confidence: BelowOne
    random_share: Annotated[float, Field(gt=0, le=1)]
    ramp_epochs: NotNegative


class AdaptSettings(Section):
    """The section `adapt` of conf/dlglc.yaml."""

    trained_parts: CountOrNone
    cache: bool
    frozen_norms: bool
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    classifier_factor: Positive
    pull: NotNegative
    held_out: BelowOne
    patience: CountOrNone


class DlglcSettings(TrainingSettings):
    """conf/dlglc.yaml."""

    idea: ClassVar[str] = "dlglc"
    epochs: Count
    crop_seconds: CropSeconds
    augment_probability: Share
    classifier: Literal["random", "centroids"]
    scale: Positive
    margin: Annotated[float, Field(ge=0, lt=3.14)]
    margin_warmup_epochs: NotNegative
    gate: GateSettings
    correction: CorrectionSettings
    adapt: AdaptSettings

    @model_validator(mode="after")
    def _check(self) -> "DlglcSettings":
        gate, correction = self.gate, self.correction
        if correction.mode != "none" and gate.mode == "none":
            raise Clash(
                "correction.mode",
                "only labels that the gate refuses are corrected, and gate.mode is none: set correction.mode: none too",
                "gate.mode",
            )
        for key, section in (("gate", gate), ("correction", correction)):
            if section.mode != "none" and section.from_epoch > self.epochs:
                raise Clash(
                    f"{key}.from_epoch",
                    f"the {key} would begin in epoch {section.from_epoch}, and the round has {self.epochs} (epochs): "
                    f"let it begin earlier, train longer, or say {key}.mode: none",
                    "epochs",
                )
        if correction.mode != "none" and correction.from_epoch < gate.from_epoch:
            raise Clash(
                "correction.from_epoch",
                f"before epoch {gate.from_epoch} (gate.from_epoch) no label is refused, and so none is corrected: "
                f"write {gate.from_epoch} or more, or let the gate begin earlier",
                "gate.from_epoch",
            )
        if self.adapt.cache and not self.adapt.trained_parts:
            raise Clash(
                "adapt.cache",
                "no part is frozen, so nothing can be kept: set adapt.trained_parts: 1 or more",
                "adapt.trained_parts",
            )
        if self.adapt.cache and self.augment_probability:
            raise Clash(
                "adapt.cache",
                "frames that are kept cannot be augmented: set augment_probability: 0.0, or adapt.cache: false",
                "augment_probability",
            )
        if self.margin and self.margin_warmup_epochs > self.epochs:
            raise Clash(
                "margin_warmup_epochs",
                f"the margin would still be rising after the last epoch (epochs: {self.epochs}): shorten it, or train "
                "longer",
                "epochs",
            )
        return self
