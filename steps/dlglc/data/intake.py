"""A file of any format as one mono recording at the recipe's rate, and what was found in it."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from ..arrays import Array
from .audio import WIDE, float_to_int16
from .decode import AudioFile, Format

SILENT = 2.0**-14  # of full scale: two steps of 16 bits
QUIET = 0.01  # of full scale, -40 dB: below it 16 bits are few, and louder is better where the source has more
TARGET = 0.1  # peak that a quiet recording of a wide format is brought to
DC = 0.02  # of full scale: an offset worth a note
CLIPPED = 1e-3  # share of samples at full scale that is worth a note


class Taken(NamedTuple):
    """A recording.

    Attributes:
        samples: (N,) float32 of full scale 1; in a file of its own, so that long ones do not fill the memory.
        format: what the file is.
        notes: what was done to it, and what is odd about it; a word each, e.g. "mixed", "resampled".
        exact: True if the samples are those of 16 bits, which no level has to be found for.
    """

    samples: Array
    format: Format
    notes: list[str]
    exact: bool


class Intake:
    """Reads recordings one after the other.

    Args:
        sample_rate: Hz, of what comes out.
        spool_dir: where the samples of the present recording are kept.
        allow_pipes: run `command |` entries.
    """

    def __init__(self, sample_rate: int, spool_dir: Path, allow_pipes: bool = False):
        self.sample_rate, self.allow_pipes = sample_rate, allow_pipes
        self.spool = tempfile.TemporaryFile(dir=spool_dir)  # noqa: SIM115  # lives as long as this object

    def take(self, where: str, channel: int | None = None) -> Taken:
        """Decode, mix down (or take one channel, from 0), resample.

        Raises:
            ValueError: why the recording cannot be used.
        """
        survey = Survey()
        self.spool.seek(0)
        self.spool.truncate()
        with AudioFile(where, self.allow_pipes) as file:
            if channel is not None and channel >= file.format.channels:
                raise ValueError(f"it has {file.format.channels} channels, and channel {channel + 1} is asked for")
            mono = survey.watch(to_mono(block, channel) for block in survey.watch_channels(file.blocks()))
            for block in resampled(mono, file.format.rate, self.sample_rate):
                self.spool.write(block.tobytes())
            self.spool.flush()
        survey.judge()
        count = self.spool.tell() // 4
        samples = np.memmap(self.spool, np.float32, "r", shape=(count,)) if count else np.zeros(0, np.float32)
        notes = survey.notes()
        if file.format.channels > 1:
            notes.append("mixed" if channel is None else "split")
        if file.format.rate != self.sample_rate:
            notes.append("resampled")
        exact = file.format.codec not in WIDE and not {"mixed", "resampled"} & set(notes)
        return Taken(samples, file.format, sorted(notes), exact)


class Survey:
    """What is odd about the samples of a file, seen block by block."""

    def __init__(self) -> None:
        self.count = self.broken = self.above = self.full = 0
        self.peak = self.total = 0.0
        self.loudest_channel = 0.0

    def watch_channels(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Pass (frames, channels) on, noting NaN, infinity, and samples at or above full scale."""
        for block in blocks:
            finite = np.isfinite(block)
            self.broken += block.size - int(np.count_nonzero(finite))
            size = np.abs(np.where(finite, block, 0))
            self.above += int(np.count_nonzero(size > 1))
            self.full += int(np.count_nonzero(size >= 32767 / 32768))
            self.loudest_channel = max(self.loudest_channel, float(size.max(initial=0)))
            yield block

    def watch(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Pass (frames,) on, noting the level."""
        for block in blocks:
            self.count += len(block)
            self.total += float(block.sum(dtype=np.float64))
            self.peak = max(self.peak, float(np.abs(block).max(initial=0)))
            yield block

    def judge(self) -> None:
        """Raises: ValueError: why these samples cannot be used."""
        if self.broken:
            raise ValueError(f"{self.broken} samples are NaN or infinite")
        if not self.count:
            raise ValueError("it holds no sample")
        if self.peak < SILENT:
            if self.loudest_channel >= SILENT:
                raise ValueError("its channels cancel each other out when they are mixed: take one of them")
            raise ValueError(f"silent: no sample is above {self.peak:.1e} of full scale")

    def notes(self) -> list[str]:
        """Words for what is odd and yet usable."""
        found = []
        if self.above:
            found.append("above-full-scale")
        elif self.full > CLIPPED * self.count:
            found.append("clipped")
        if abs(self.total / self.count) > DC:
            found.append("dc-offset")
        return found


def to_mono(block: Array, channel: int | None) -> Array:
    """(frames, channels) to (frames,): the mean of the channels, or one of them."""
    if channel is not None:
        return block[:, channel]
    return block[:, 0] if block.shape[1] == 1 else block.mean(1, dtype=np.float32)


def resampled(blocks: Iterable[Array], rate: int, wanted: int) -> Iterator[Array]:
    """Blocks of samples at another rate, as one stream (soxr, high quality)."""
    if rate == wanted:
        yield from (np.ascontiguousarray(block, dtype=np.float32) for block in blocks)
        return
    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block, dtype=np.float32))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def to_packed(samples: Array, exact: bool) -> tuple[Array, str | None]:
    """An utterance of full scale 1 as int16, at a level that 16 bits serve, and a note of a change.

    What exceeds full scale is scaled down instead of clipped. What is very quiet is scaled up where the source has
    more than 16 bits. The level does not matter to the encoder, which subtracts the mean of log energies.
    """
    samples = np.asarray(samples, dtype=np.float32)
    peak = float(np.abs(samples).max(initial=0))
    if peak > 1:
        return float_to_int16(samples / (peak * (1 + 2**-14))), "scaled-down"
    if not exact and 0 < peak < QUIET:
        return float_to_int16(samples * (TARGET / peak)), "scaled-up"
    return float_to_int16(samples), None
