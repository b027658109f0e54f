"""Reads a file of any format as a mono recording at the sample rate of the recipe, and checks its samples."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from ..arrays import Array
from .decode import AudioFile
from .readers import BLOCK, Format
from .spool import Samples, Spool

SILENT = 2.0**-14  # of full scale; two steps of 16 bits
SILENT_WIDE = 2.0**-20  # of formats with more bits
QUIET = 0.01  # of full scale, -40 dB. Below it, 16 bits are too coarse for a source with more bits
TARGET = 0.1  # new peak of a quiet recording of such a source
DC = 0.02  # of full scale; a larger offset is noted
CLIPPED = 1e-3  # a larger share of samples at full scale is noted
OPPOSITE = 0.01  # of the channels' mean power. A mix with less power is of channels with opposite phase


class Taken(NamedTuple):
    """A recording.

    Attributes:
        samples: (N,) float32, where 1 is full scale. They are in a file, so that long ones need no memory.
        format: format of the file.
        notes: one word for each change and each doubtful property, e.g. "mixed", "resampled".
        exact: True if the samples are exactly those of 16 bits. Then their level is not changed.
    """

    samples: Spool
    format: Format
    notes: list[str]
    exact: bool


class Intake:
    """Reads recordings one after the other. The samples of a recording are valid until the next one is read.

    Args:
        sample_rate: of the output, Hz.
        spool_dir: folder for the samples of the present recording.
        allow_pipes: run `command |` entries.
    """

    def __init__(self, sample_rate: int, spool_dir: Path, allow_pipes: bool = False):
        self.sample_rate, self.spool_dir, self.allow_pipes = sample_rate, spool_dir, allow_pipes
        self.spool = tempfile.TemporaryFile(dir=spool_dir)  # noqa: SIM115  # lives as long as this object

    def take(self, where: str, channel: int | None = None) -> Taken:
        """Decode a recording, mix its channels, and resample it.

        If the channels cancel each other out, the loudest channel is taken instead of the mix.

        Args:
            where: second column of wav.scp.
            channel: take this channel (from 0) instead of the mix.

        Raises:
            ValueError: the recording cannot be used; the text says why.
        """
        with AudioFile(where, self.allow_pipes, self.spool_dir) as file:
            survey = self.spool_mono(file, channel)
            found = file.format
            doubtful = file.doubtful
        survey.judge(SILENT_WIDE if found.wide else SILENT)
        notes = survey.notes() + (["perhaps-cut"] if doubtful else [])
        if channel is None and survey.cancels():
            with AudioFile(where, self.allow_pipes, self.spool_dir) as file:
                self.spool_mono(file, survey.loudest())
            notes.append("opposite-phase")
        elif found.channels > 1:
            notes.append("mixed" if channel is None else "split")
        if found.rate != self.sample_rate:
            notes.append("resampled")
        count = self.spool.tell() // 4
        exact = not found.wide and not {"mixed", "resampled"} & set(notes)
        return Taken(Spool(self.spool, count), found, sorted(notes), exact)

    def spool_mono(self, file: AudioFile, channel: int | None) -> "Survey":
        """Write the samples of a recording to the spool, mono and at the sample rate of the recipe."""
        channels = file.format.channels
        if channel is not None and channel >= channels:
            raise ValueError(f"channel {channel + 1} is asked for, but the file has {channels}")
        survey = Survey(channels, mixed=channel is None and channels > 1)
        self.spool.seek(0)
        self.spool.truncate()
        mono = (to_mono(block, channel) for block in survey.watched_channels(file.blocks()))
        for block in resampled(survey.watched(mono), file.format.rate, self.sample_rate):
            self.spool.write(block.tobytes())
        self.spool.flush()
        return survey


class Survey:
    """Checks the samples of a file block by block.

    Args:
        channels: number of them.
        mixed: True if they are mixed down to one.
    """

    def __init__(self, channels: int, mixed: bool) -> None:
        self.mixed = mixed
        self.count = self.broken = self.above = self.full = 0
        self.total = self.power = 0.0
        self.low, self.high = np.inf, -np.inf
        self.channel_power = np.zeros(channels)

    def watched_channels(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Pass blocks (frames, channels) on, and count NaN, infinity, and samples at or above full scale."""
        for block in blocks:
            finite = np.isfinite(block)
            if not finite.all():
                self.broken += block.size - int(np.count_nonzero(finite))
                block = np.where(finite, block, 0)
            size = np.abs(block)
            self.above += int(np.count_nonzero(size > 1))
            self.full += int(np.count_nonzero(size >= 32767 / 32768))
            self.channel_power += np.square(size, dtype=np.float64).sum(0)
            yield block

    def watched(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Pass mono blocks (frames,) on, and measure their level."""
        for block in blocks:
            self.count += len(block)
            self.total += float(block.sum(dtype=np.float64))
            self.power += float(np.square(block, dtype=np.float64).sum())
            self.low = min(self.low, float(block.min(initial=np.inf)))
            self.high = max(self.high, float(block.max(initial=-np.inf)))
            yield block

    def judge(self, silent: float) -> None:
        """Decide whether the samples can be used.

        Args:
            silent: a recording is silent if its amplitude is smaller than this.

        Raises:
            ValueError: they cannot be used; the text says why.
        """
        if self.broken:
            raise ValueError(f"{self.broken} samples are NaN or infinite")
        if not self.count:
            raise ValueError("it holds no sample")
        swing = (self.high - self.low) / 2
        if swing < silent and not self.cancels():
            raise ValueError(f"silent: its amplitude is {swing:.1e} of full scale")

    def cancels(self) -> bool:
        """True if the channels cancel each other out when they are mixed."""
        return self.mixed and self.power < OPPOSITE * float(self.channel_power.mean())

    def loudest(self) -> int:
        """The channel with the largest power."""
        return int(self.channel_power.argmax())

    def notes(self) -> list[str]:
        """One word for each doubtful property of usable samples."""
        found = []
        if self.above:
            found.append("above-full-scale")
        elif self.full > CLIPPED * self.count:
            found.append("clipped")
        if abs(self.total / self.count) > DC * max(1.0, self.high, -self.low):
            found.append("dc-offset")
        return found


def to_mono(block: Array, channel: int | None) -> Array:
    """The mean of the channels, or one of them: (frames, channels) to (frames,)."""
    if channel is not None:
        return block[:, channel]
    return block[:, 0] if block.shape[1] == 1 else block.mean(1, dtype=np.float32)


def resampled(blocks: Iterable[Array], rate: int, wanted: int) -> Iterator[Array]:
    """Resample a stream of blocks (soxr, high quality)."""
    if rate == wanted:
        yield from (np.ascontiguousarray(block, dtype=np.float32) for block in blocks)
        return
    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block, dtype=np.float32))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def gain_for(samples: Samples, exact: bool, start: int = 0, end: int | None = None) -> tuple[float, str | None]:
    """The gain that an utterance needs before it is stored with 16 bits.

    An utterance above full scale is scaled down instead of clipped. A very quiet one is scaled up if its source has
    more than 16 bits. The level has no effect on the features, because the mean of log energies is subtracted.

    Args:
        samples: (N,) float32, where 1 is full scale; can be in a file.
        exact: True if the samples are exactly those of 16 bits.
        start, end: the utterance is samples[start:end].

    Returns:
        The gain, and a note if the gain is not 1.
    """
    peak = 0.0
    end = len(samples) if end is None else end
    for at in range(start, end, BLOCK):
        peak = max(peak, float(np.abs(samples[at : min(at + BLOCK, end)]).max()))
    if peak > 1:
        return 1 / (peak * (1 + 2**-14)), "scaled-down"
    if not exact and 0 < peak < QUIET:
        return TARGET / peak, "scaled-up"
    return 1.0, None
