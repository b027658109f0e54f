"""Noise, rooms and WAV files, for the synthetic corpus and for synthetic augmentation."""

from pathlib import Path

import numpy as np
import soundfile
from scipy import fft, signal

RATE = 16000


def db(decibel: float) -> float:
    """Amplitude ratio of a level difference in dB."""
    return 10.0 ** (decibel / 20.0)


def rms(x: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(x)) + 1e-20))


def coloured_noise(rng: np.random.Generator, length: int, slope: float) -> np.ndarray:
    """Gaussian noise of unit RMS. Its spectrum changes by `slope` dB per octave: 0 is white, −3 pink, −6 brown."""
    size = fft.next_fast_len(length, real=True)
    spectrum = fft.rfft(rng.standard_normal(size))
    frequency = fft.rfftfreq(size, 1 / RATE)
    # Flat below 50 Hz, so that the lowest frequencies do not dominate.
    shape = np.maximum(frequency, 50.0) ** (slope / (20 * np.log10(2.0)))
    shape[0] = 0.0
    x = fft.irfft(spectrum * shape, size)[:length]
    return x / rms(x)


def shape_spectrum(x: np.ndarray, frequencies: np.ndarray, gains_db: np.ndarray) -> np.ndarray:
    """Filter x with the gains (dB) at the given frequencies (Hz). Between them, gains are linear over log frequency.

    The filter has minimum phase: nothing comes out of it before the input. So an impulse response that begins at sample
    0 still begins there.
    """
    size = fft.next_fast_len(len(x) + RATE // 4, real=True)  # the filter is shorter than a quarter of a second
    grid = fft.rfftfreq(size, 1 / RATE)
    gain = np.interp(np.log(np.maximum(grid, 20.0)), np.log(frequencies), gains_db)
    cepstrum = fft.irfft(gain * (np.log(10.0) / 20.0), size)
    cepstrum[1 : (size + 1) // 2] *= 2.0
    cepstrum[size // 2 + 1 :] = 0.0
    return fft.irfft(fft.rfft(x, size) * np.exp(fft.rfft(cepstrum)), size)[: len(x)]


def room_response(rng: np.random.Generator, rt60: float, direct_db: float, seconds: float) -> np.ndarray:
    """The impulse response of a simulated room.

    It has the direct path at sample 0 with height 1, some early reflections, and a decaying tail of noise.

    Args:
        rng: for all random numbers.
        rt60: seconds in which the tail falls by 60 dB.
        direct_db: energy of the direct path relative to the rest, dB.
        seconds: length of the response.
    """
    length = int(seconds * RATE)
    time = np.arange(length) / RATE
    tail = rng.standard_normal(length) * 10.0 ** (-3.0 * time / rt60)
    # Walls and air absorb high frequencies first: the late part has less of them than the early part.
    late = signal.lfilter([0.35], [1.0, -0.65], tail)
    mix = np.minimum(time / rt60, 1.0)
    tail = (1 - mix) * tail + mix * late
    onset = int(rng.uniform(0.002, 0.008) * RATE)
    tail[:onset] = 0.0
    tail[onset : 4 * onset] *= np.linspace(0.0, 1.0, min(3 * onset, length - onset))
    for _ in range(rng.integers(4, 9)):
        delay = int(rng.uniform(0.001, 0.04) * RATE)
        if 0 < delay < length:
            tail[delay] += rng.choice([-1.0, 1.0]) * rng.uniform(1.0, 4.0) * 10.0 ** (-3.0 * delay / RATE / rt60)
    tail *= db(-direct_db) / np.sqrt(np.sum(tail**2) + 1e-20)
    tail[0] = 1.0
    return tail


def microphone(rng: np.random.Generator, x: np.ndarray, strength: float) -> np.ndarray:
    """x through a drawn microphone: a tilt of about ±1.2 dB per octave and a smooth curve, both times `strength`."""
    frequencies = np.array([60.0, 150, 350, 800, 1800, 3500, 8000])
    curve = rng.normal(0, 1.2) * np.log2(frequencies / 1000) + rng.normal(0, 2.5, len(frequencies))
    return shape_spectrum(x, frequencies, strength * curve)


def write_wav(path: Path, x: np.ndarray) -> None:
    """Write mono 16 kHz int16. ±1.0 in x is full scale.

    libsndfile writes the time of day into float files, so they would differ from run to run.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.clip(np.rint(x * 32768.0), -32768, 32767).astype(np.int16)
    soundfile.write(path, samples, RATE, subtype="PCM_16")
