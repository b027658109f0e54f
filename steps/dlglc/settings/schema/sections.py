"""What all schemas are made of: ranges that several keys share, sections, and the error of keys that clash."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

LARGEST = 1_000_000  # of whole numbers: more is a typing error, and far more would not fit a tensor's size
Count = Annotated[int, Field(ge=1, le=LARGEST)]
CountOrNone = Annotated[int, Field(ge=0, le=LARGEST)]  # 0 = none, off or all, as the file says
TwoOrMore = Annotated[int, Field(ge=2, le=LARGEST)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
CropSeconds = Annotated[float, Field(ge=0.1, le=60)]  # two frames or more with every frame_shift_ms that is allowed


class Clash(ValueError):
    """Settings that are valid one by one and not together.

    Args:
        key: the setting that the message is about, e.g. "gate.from_epoch".
        reason: what is wrong, and what to do.
        with_keys: the others. The message points at the one of all that was set last.
    """

    def __init__(self, key: str, reason: str, *with_keys: str):
        super().__init__(reason)
        self.keys = (key, *with_keys)


class Section(BaseModel):
    """Keys that belong together. Nothing is converted: "3" is no number, 1.0 no whole one, NaN no value."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class Settings(Section):
    """One file of conf/."""

    idea: ClassVar[str]  # the file's name, without .yaml
