"""Form of conf/fbank.yaml and conf/augment.yaml."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from .sections import Clash, NotNegative, Settings, Share


def _whole(value: Any) -> Any:
    """Pydantic takes `false` and 2.0 for the choices 0 and 2."""
    if type(value) is not int:
        raise ValueError
    return value


Decibels = Annotated[float, Field(ge=-100, le=100)]


class FbankSettings(Settings):
    """conf/fbank.yaml."""

    idea: ClassVar[str] = "fbank"
    sample_rate: Annotated[int, Field(ge=1000, le=192_000)]
    frame_length_ms: Annotated[float, Field(ge=2, le=200)]  # two samples or more
    frame_shift_ms: Annotated[float, Field(ge=1, le=50)]  # one sample or more
    num_mel_bins: Annotated[int, Field(ge=1, le=512)]
    low_freq: NotNegative
    high_freq: float
    preemphasis: Share
    window: Literal["povey", "hamming"]
    full_scale: Annotated[Literal[1, 32768], BeforeValidator(_whole)]
    compression: Annotated[Literal[0, 2, 3], BeforeValidator(_whole)]

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
                f"frames of {self.frame_length_ms:g} ms every {self.frame_shift_ms:g} ms leave gaps: lower it, or "
                "raise frame_length_ms",
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
    max_rir_seconds: Annotated[float, Field(ge=0.01, le=60)]
    snr_db: dict[str, Annotated[list[Decibels], Field(min_length=2, max_length=2)]]

    @model_validator(mode="after")
    def _check(self) -> "AugmentSettings":
        for kind, (low, high) in self.snr_db.items():
            if low > high:
                raise Clash(f"snr_db.{kind}", f"the range goes from {low:g} down to {high:g} dB: write the lower first")
        return self
