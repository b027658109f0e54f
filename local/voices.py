"""The voices of the mini corpus, and the recording sessions of its utterances."""

import numpy as np
from scipy import signal

from acoustics import RATE, coloured_noise, db, microphone, rms, room_response
from espeak import language_file

ACCENTS = ["en-US", "en-US-nyc", "en", "en-GB-x-rp", "en-GB-scotland", "en-GB-x-gbcwmd", "en-GB-x-gbclan", "en-029"]
# The difficulty of the corpus: how much voices differ, and how much microphones change a voice (1 = mildly).
# A network that subtracts the mean of its features is nearly independent of the microphone; a mean of MFCC is not.
VOICES, MICROPHONES = 0.85, 2.4


def draw_voice(rng: np.random.Generator, speaker: str, female: bool) -> str:
    """The text of an espeak-ng voice file: the lines of an accent, then the properties of the speaker.

    Most numbers are per cent of espeak's default voice, a male voice with a pitch of 100 Hz.
    """
    pitch = np.exp(rng.normal(np.log(185 if female else 108), 0.15 * VOICES))
    spread = rng.uniform(1.2, 1.55)
    # A factor of all formants: a short vocal tract has high formants.
    tract = rng.normal(1.10 if female else 0.97, 0.045 * VOICES)
    lines = [language_file(ACCENTS[rng.integers(len(ACCENTS))]).rstrip()]
    lines.append(f"name {speaker}")
    lines.append(f"pitch {pitch / np.sqrt(spread):.0f} {pitch * np.sqrt(spread):.0f}")
    for formant in range(9):
        own = rng.normal(0, (0.05 if formant < 4 else 0.07) * VOICES)
        height = np.exp(rng.normal(0, (0.20 if formant < 4 else 0.35) * VOICES))
        width = np.exp(rng.normal(0, 0.25 * VOICES))
        lines.append(f"formant {formant} {100 * tract * (1 + own):.0f} {100 * height:.0f} {100 * width:.0f}")
    tilt = rng.normal(0, 0.25 * VOICES)
    tone = [np.clip(base * np.exp(-tilt * step), 20, 255) for step, base in enumerate((170, 135, 110, 105))]
    lines.append("tone " + " ".join(f"{f} {a:.0f}" for f, a in zip((600, 1200, 2000, 3500), tone)))
    breath = rng.choice([0.0, rng.uniform(2, 12) * VOICES])
    lines.append("breath " + " ".join(f"{breath * rng.uniform(0.5, 1.5):.0f}" for _ in range(8)))
    lines.append(f"roughness {rng.integers(0, 6)}")
    lines.append(f"flutter {rng.integers(0, 9)}")
    lines.append(
        f"consonants {100 + 40 * VOICES * rng.uniform(-1, 1):.0f} {100 + 40 * VOICES * rng.uniform(-1, 1):.0f}"
    )
    lines.append(f"speed {rng.integers(88, 114)}")
    lines.append(f"intonation {rng.integers(1, 5)}")
    lines.append("stressAdd " + " ".join(str(n) for n in rng.integers(-18, 19, 8)))
    lines.append("echo 0 0")
    return "\n".join(lines) + "\n"


def record(rng: np.random.Generator, dry: np.ndarray) -> np.ndarray:
    """Clean speech as recorded in a drawn session: silence around it, room, noise, microphone, telephone, level."""
    x = np.pad(dry / rms(dry), rng.integers(int(0.05 * RATE), int(0.3 * RATE), 2))
    if rng.random() < 0.6:
        response = room_response(rng, rng.uniform(0.1, 0.45), rng.uniform(3, 15), 0.35)
        x = signal.fftconvolve(x, response)[: len(x)]
    x /= rms(x)
    x += coloured_noise(rng, len(x), rng.uniform(-6, 0)) * db(-rng.uniform(8, 32))
    x = microphone(rng, x, MICROPHONES)
    if rng.random() < 0.2:
        x = telephone(rng, x)
    level = min(db(-rng.uniform(18, 32)) / rms(x), 0.9 / np.max(np.abs(x)))
    return x * level


def telephone(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """x over a telephone: a band of about 300 to 3400 Hz, 8-bit mu-law, and white noise over the whole band."""
    band = signal.butter(4, [rng.uniform(200, 350), rng.uniform(3200, 3800)], "bandpass", fs=RATE, output="sos")
    x = signal.sosfilt(band, x)
    x /= np.max(np.abs(x))
    code = np.rint(np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256) * 127) / 127
    x = signal.sosfilt(band, np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255)
    return x + coloured_noise(rng, len(x), 0) * rms(x) * db(-rng.uniform(35, 45))
