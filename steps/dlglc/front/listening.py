"""Recordings as a bundle's network takes them: any audio file, or samples of the caller."""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..data.cutting import FRAME, RATE, Detector, speech_probabilities
from ..data.folder import UNSPEAKABLE
from ..data.intake import Intake, resampled
from ..data.spool import Samples
from ..errors import RecipeError

SHORTEST = 0.2  # s; a shorter recording is refused, as in stage 1
ON, OFF = 0.5, 0.35  # probability at which speech begins, and below which it ends
PAUSE, WORD = 0.2, 0.25  # s; a shorter pause ends nothing, a shorter stretch of speech is none
NARROW = -60.0  # dB; less than this above 4.3 kHz is an empty band. Speech at 16 kHz had -57 or more, 8 kHz -65 or less
LOOKED_AT = 30  # s of speech that are looked at for this
EMPTY_BAND = "the model listens to 8 kHz; scores against full recordings are too low, against others like this too high"
REMARKS = {
    "clipped": "clipped",
    "above-full-scale": "above full scale",
    "dc-offset": "has a constant offset (DC)",
    "perhaps-cut": "perhaps cut short",
    "opposite-phase": "its channels cancel each other out: the louder one was taken",
}


class Recording(NamedTuple):
    """A recording.

    Attributes:
        name: for messages.
        samples: (N,) float32 mono in [-1, 1] at the sample rate of the bundle. Those of a file are valid until the next
            file is opened.
        remarks: what is doubtful about it, as phrases.
    """

    name: str
    samples: Samples
    remarks: list[str]


class Listener:
    """Opens recordings.

    Args:
        sample_rate: of the bundle, Hz.
    """

    def __init__(self, sample_rate: int):
        self.sample_rate = sample_rate
        self.intake = Intake(sample_rate, Path(tempfile.gettempdir()))
        self.links: tempfile.TemporaryDirectory[str] | None = None

    def open(self, source: str | os.PathLike[str] | Array, sample_rate: int | None = None) -> Recording:
        """Open a file, or take samples.

        Args:
            source: path of an audio file; or (N,) samples in [-1, 1], or int16.
            sample_rate: of the samples, Hz; None = that of the bundle. A file knows its own.

        Raises:
            RecipeError: it cannot be used; the text says why.
        """
        if isinstance(source, np.ndarray):
            opened = Recording("the waveform", self.converted(source, sample_rate or self.sample_rate), [])
        else:
            name = os.fspath(source)
            try:
                taken = self.intake.take(self.plain(name))
            except (ValueError, OSError) as error:
                raise RecipeError(f"{name}: {error}") from None
            remarks = [REMARKS[note] for note in taken.notes if note in REMARKS]
            if taken.format.rate < self.sample_rate:
                remarks.append(f"{taken.format.rate} Hz: {EMPTY_BAND}")
            opened = Recording(name, taken.samples, remarks)
        seconds = len(opened.samples) / self.sample_rate
        if seconds < SHORTEST:
            raise RecipeError(f"{opened.name}: {seconds:.2f} s are too short: {SHORTEST} s are needed")
        return opened

    def plain(self, name: str) -> str:
        """A path that libraries take: a link to the file if its name is no UTF-8, or ends like a command."""
        if not (UNSPEAKABLE.search(name) or name.endswith("|")) or not os.path.isfile(name):
            return name
        self.links = self.links or tempfile.TemporaryDirectory()
        link = os.path.join(self.links.name, f"link{len(os.listdir(self.links.name))}")
        os.symlink(os.path.abspath(name), link)
        return link

    def converted(self, waveform: Array, rate: int) -> Array:
        """Samples of the caller at the sample rate of the bundle."""
        if waveform.ndim != 1:
            raise RecipeError(f"the waveform has shape {waveform.shape}, expected (N,): mix the channels first")
        if not 1000 <= rate <= 384_000:
            raise RecipeError(f"sample_rate {rate}: expected Hz, e.g. 16000")
        if waveform.dtype == np.int16:
            waveform = waveform / np.float32(32768)
        elif waveform.dtype.kind != "f":
            raise RecipeError(f"the waveform is of {waveform.dtype}, expected floats in [-1, 1] or int16")
        if not np.isfinite(waveform).all():
            raise RecipeError("the waveform holds NaN or infinity")
        peak = float(np.abs(waveform).max(initial=0))
        if peak > 4:
            raise RecipeError(f"the waveform reaches {peak:.0f}, expected floats in [-1, 1]: divide int16 by 32768")
        if peak == 0:
            raise RecipeError("the waveform is silent, or empty")
        return np.concatenate(list(resampled([waveform], rate, self.sample_rate)))


def band_remarks(recording: Recording, stretches: list[tuple[int, int]]) -> list[str]:
    """A remark if a recording has 16 kHz and no sound above 4 kHz, as after a telephone. Empty if it has a remark.

    Args:
        stretches: of speech.
    """
    told = any(EMPTY_BAND in remark for remark in recording.remarks)
    if told or not stretches or upper_band(recording.samples, stretches) >= NARROW:
        return []
    return [f"no sound above 4 kHz, as on a telephone: {EMPTY_BAND}"]


def upper_band(samples: Samples, stretches: list[tuple[int, int]]) -> float:
    """Power from 4.3 to 7.5 kHz over that from 0.3 to 3.7 kHz, in the loud frames of the speech, dB.

    Args:
        samples: (N,) at 16 kHz.
        stretches: of speech, one or more.
    """
    size, most = FRAME, LOOKED_AT * RATE
    pieces = [samples[start : min(end, start + most)] for start, end in stretches[: LOOKED_AT * 2]]
    speech = np.concatenate(pieces)[:most].astype(np.float64)
    frames = speech[: len(speech) // size * size].reshape(-1, size)
    energies = np.mean(frames**2, axis=1)
    loud = frames[energies >= 0.1 * energies.max()] * np.hanning(size)
    power = np.mean(np.abs(np.fft.rfft(loud, axis=1)) ** 2, axis=0)
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    low, high = (power[(hertz >= a) & (hertz < b)].sum() for a, b in ((300, 3700), (4300, 7500)))
    return float(10 * np.log10(max(high, 1e-30) / max(low, 1e-30)))


def find_speech(detector: Detector, samples: Samples, sample_rate: int) -> list[tuple[int, int]]:
    """First sample and end of each stretch of speech, in order.

    Args:
        detector: of a bundle.
        samples: (N,) float32 at 16 kHz.
        sample_rate: has to be 16000, which the detector works at.
    """
    if sample_rate != RATE:
        raise RecipeError(f"speech is found at {RATE} Hz only; this bundle works at {sample_rate} Hz")
    probabilities = speech_probabilities(detector, samples)
    stretches: list[tuple[int, int]] = []
    begin, last = -1, -1  # first frame of the stretch, and last one with speech
    for frame, value in enumerate([*probabilities.tolist(), *[0.0] * (int(PAUSE * RATE / FRAME) + 2)]):
        if begin < 0 and value >= ON:
            begin = frame
        if begin >= 0:
            if value >= OFF:
                last = frame
            elif (frame - last) * FRAME > PAUSE * RATE:
                stretches.append((begin * FRAME, min((last + 1) * FRAME, len(samples))))
                begin = -1
    return [(start, end) for start, end in stretches if end - start >= WORD * RATE]
