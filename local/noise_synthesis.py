"""Synthetic noise clips and room impulse responses, drawn from a random generator."""

import numpy as np
from scipy import signal

from acoustics import RATE, coloured_noise, db, microphone, rms, room_response
from dlglc.data.audio import Recordings
from dlglc.errors import RecipeError


def room(rng: np.random.Generator) -> np.ndarray:
    """An impulse response of a room and a microphone, up to 0.8 s long.

    Recordings of one voice differ by the microphone as much as by the room.
    """
    rt60 = rng.uniform(0.1, 0.7)
    response = room_response(rng, rt60, rng.uniform(-3, 12), min(0.8, 1.1 * rt60 + 0.05))
    response = microphone(rng, response, rng.uniform(0, 2.5))
    return 0.98 * response / np.max(np.abs(response))


def noise(rng: np.random.Generator, length: int) -> np.ndarray:
    """Noise of one of five families, of `length` samples. Each has a faint floor of coloured noise."""
    time = np.arange(length) / RATE
    family = rng.choice(["coloured", "gusts", "hum", "clicks", "machine"])
    floor = coloured_noise(rng, length, rng.uniform(-7, 1))
    if family == "coloured":
        return floor
    if family == "gusts":  # wind, waves, passing cars: the level varies by about 20 dB
        knots = rng.normal(0, 7, length // RATE * 2 + 2)
        level = np.interp(time, np.linspace(0, time[-1], len(knots)), knots)
        return floor * 10.0 ** (level / 20)
    if family == "hum":
        base = rng.choice([50.0, 60.0]) * rng.uniform(0.98, 1.02)
        partials = range(1, rng.integers(6, 30))
        x = sum(rng.exponential(1.0) * n**-0.7 * np.sin(2 * np.pi * (base * n * time + rng.random())) for n in partials)
        return x / rms(x) + 0.3 * floor
    if family == "clicks":  # keys, dishes, rain on a window: short resonances at random times
        x = np.zeros(length)
        for start in rng.integers(0, length, max(8, int(rng.uniform(2, 25) * time[-1]))):
            ring = np.arange(min(int(0.08 * RATE), length - start)) / RATE
            tone = np.sin(2 * np.pi * rng.uniform(400, 6000) * ring) + 0.5 * rng.standard_normal(len(ring))
            x[start : start + len(ring)] += rng.exponential(1.0) * tone * np.exp(-ring / rng.uniform(0.002, 0.02))
        return x / rms(x) + 0.2 * floor
    # machine: a band of noise with a regular beat
    low = rng.uniform(80, 3000)
    band = signal.butter(2, [low, min(low * rng.uniform(1.3, 4), 7500)], "bandpass", fs=RATE, output="sos")
    x = signal.sosfilt(band, rng.standard_normal(length))
    x *= 1 + rng.uniform(0.5, 1.0) * signal.sawtooth(2 * np.pi * rng.uniform(1.5, 30) * time, rng.random())
    return x / rms(x) + 0.4 * floor


def music(rng: np.random.Generator, length: int) -> np.ndarray:
    """Music of `length` samples: four chords of one key in a loop, a bass, a melody, and a beat of noise."""
    x = np.zeros(length)
    beat = int(60 / rng.uniform(70, 150) * RATE)
    root = rng.uniform(110, 220)
    scale = [0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.6 else [0, 2, 3, 5, 7, 8, 10]
    degrees = [scale[d % 7] + 12 * (d // 7) for d in range(14)]
    chords = [[degrees[first + step] for step in (0, 2, 4)] for first in rng.integers(0, 7, 4)]
    overtones, fading = rng.uniform(0.8, 2.0), rng.uniform(0.15, 1.2)
    drum, loudness = rng.uniform(0.01, 0.06), rng.choice([0.0, rng.uniform(0.3, 1.5)])

    def note(start: int, semitones: float, level: float, beats: float) -> None:
        ring = np.arange(min(int(beats * beat), length - start)) / RATE
        pitch = root * 2.0 ** (semitones / 12)
        tone = sum(n**-overtones * np.sin(2 * np.pi * n * pitch * ring) for n in range(1, 9) if n * pitch < 7500)
        x[start : start + len(ring)] += level * tone * np.exp(-ring / fading) * np.minimum(ring / 0.01, 1.0)

    for number, start in enumerate(range(0, length, beat)):
        chord = chords[number // 4 % 4]
        if number % 4 == 0:
            for semitones in chord:
                note(start, semitones, 0.5, 4)
            note(start, chord[0] - 12, 0.8, 4)
        if start + beat // 2 < length:
            note(start + rng.integers(2) * (beat // 2), rng.choice(chord) + 12, 0.6, 1)
        ring = np.arange(min(beat, length - start)) / RATE
        x[start : start + len(ring)] += loudness * rng.standard_normal(len(ring)) * np.exp(-ring / drum)
    return x


def babble(rng: np.random.Generator, length: int, speech: Recordings) -> np.ndarray:
    """Four to eight utterances at once, `length` samples. Each begins at a drawn place and is repeated.

    Raises:
        RecipeError: an utterance has no samples.
    """
    x = np.zeros(length)
    for i in rng.choice(len(speech), rng.integers(4, 9), replace=False):
        voice = speech.read(i).astype(np.float64)
        if len(voice) == 0:
            raise RecipeError(f"{speech.scp}:{i + 1}: {speech.ids[i]} has no samples: remove the line")
        voice = np.resize(np.roll(voice, rng.integers(len(voice))), length)
        x += voice / max(rms(voice), 1.0) * db(rng.uniform(-4, 4))
    return x
