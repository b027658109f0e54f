"""A folder of audio as people have it: names of any letters, every format, and what is wrong with some files."""

import os
import random
from pathlib import Path

import numpy as np
import soundfile

from standin import cut
from support.audio_files import FORMS, WITHOUT_LENGTH, write_form

RATE = 16000
PEOPLE = ("김 민수", "anna", "Ben O'Neil", "Zoë", "carl--x", "דנה")


def write_good(top: Path, speech: list[list[Path]]) -> list[str]:
    """Write PERSON/DAY/NAME.ENDING, each file in another format: 2 to 4 s of one of six people.

    Args:
        speech: recordings of each person.

    Returns:
        paths relative to `top`.
    """
    rng = random.Random(0)
    names = []
    for number, form in enumerate([*FORMS, "pcm16", "pcm16", "pcm16", "pcm16"]):
        person = number % len(PEOPLE)
        ending = FORMS[form].ending.upper() if number % 3 == 0 else FORMS[form].ending
        folder = top / PEOPLE[person] / f"day {number // len(PEOPLE) % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        samples = at_rate(cut(rng, speech[person]) / 32768, FORMS[form].rate)
        path = folder / f"녹음 {number} ({form}).{ending}"
        write_form(folder / f"part.{FORMS[form].ending}", form, samples=samples).rename(path)
        names.append(os.path.relpath(path, top))
    return names + write_odd(top, at_rate(cut(rng, speech[0]) / 32768, RATE))


def write_odd(top: Path, samples: np.ndarray) -> list[str]:
    """Write files that are odd and yet usable; returns their paths relative to `top`."""
    (top / "odd/folder.wav").mkdir(parents=True)
    kinds = {
        "odd/loud.wav": (20 * samples, "FLOAT"),
        "odd/offset.wav": (samples + 0.1, "PCM_24"),
        "odd/quiet.wav": (1e-4 * samples, "PCM_24"),
        "odd/opposite.wav": (np.stack([samples, -samples], 1), "PCM_16"),
        "odd/folder.wav/%.wav": (samples, "PCM_16"),
        "odd/a-.wav": (samples[::-1], "PCM_16"),
        """odd/"a|b" `c` $d.wav""": (samples[500:], "PCM_16"),
        f"odd/{'long' * 60}.wav": (samples[1000:], "PCM_16"),
        "odd/two\nlines.wav": (samples[2000:], "PCM_16"),
        os.fsdecode(b"odd/" + "이름.wav".encode("cp949")): (samples[3000:], "PCM_16"),
    }
    for name, (content, subtype) in kinds.items():
        with open(top / name, "wb") as file:
            soundfile.write(file, content, RATE, subtype=subtype, format="WAV")
    return list(kinds)


def write_bad(top: Path, samples: np.ndarray) -> dict[str, str]:
    """Write files that cannot be used; returns a pattern of the reason by path relative to `top`."""
    (top / "bad").mkdir(parents=True)
    broken = samples.copy()
    broken[100:103] = np.nan
    sounds = {"silent": 0 * samples, "constant": 0 * samples + 0.5, "not numbers": broken, "short": samples[:1600]}
    for name, content in sounds.items():
        soundfile.write(top / f"bad/{name}.wav", content, RATE, subtype="FLOAT")
    (top / "bad/empty.mp3").write_bytes(b"")
    (top / "bad/text.wav").write_text("these are not\nthe files that you look for\n")
    os.symlink(top / "nowhere.wav", top / "bad/link.wav")
    reasons = {
        "bad/silent.wav": "silent: ",
        "bad/constant.wav": "silent: ",
        "bad/not numbers.wav": "3 samples are NaN or infinite",
        "bad/short.wav": "0.10 s, under 0.2 s",
        "bad/empty.mp3": "an empty file, 0 bytes",
        "bad/text.wav": "no audio that can be read, it is a text file",
        "bad/link.wav": "a link that leads nowhere",
    }
    for form in FORMS:
        if form in WITHOUT_LENGTH:
            continue
        path = top / f"bad/cut {form}.{FORMS[form].ending}"
        write_form(path, form, samples=at_rate(samples, FORMS[form].rate))
        os.truncate(path, path.stat().st_size // 2)
        reasons[os.path.relpath(path, top)] = "cut short|damaged"
    return reasons


def at_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples of 16 kHz at another rate, by straight lines: good enough here."""
    times = np.arange(int(len(samples) * rate / RATE)) / rate
    return np.interp(times, np.arange(len(samples)) / RATE, samples)
