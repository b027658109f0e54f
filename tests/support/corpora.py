"""Small data made on the spot."""

from pathlib import Path

import numpy as np
import soundfile

from dlglc.data.tables import write_data_dir


def voice(rng: np.random.Generator, pitch: float, seconds: float) -> np.ndarray:
    """A buzz with harmonics of `pitch` and some noise, int16 at 16 kHz: enough of a signal for plumbing tests."""
    t = np.arange(int(16000 * seconds)) / 16000
    wobble = 1 + 0.02 * np.sin(2 * np.pi * 3 * t + rng.uniform(0, 6))
    wave = sum(np.sin(2 * np.pi * pitch * k * t * wobble) / k for k in range(1, 20))
    return (3000 * wave * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * t)) + 200 * rng.standard_normal(len(t))).astype(np.int16)


def make_tiny(top: Path) -> None:
    """A corpus for plumbing: {train,noise,rirs} with 24 utterances of 4 voices, 3 noises, 2 impulse responses."""
    rng = np.random.default_rng(0)
    wav, truth = {}, {}
    (top / "wav").mkdir()
    for speaker, pitch in enumerate((90, 130, 180, 250)):
        for k in range(6):
            utt = f"s{speaker}-u{k}"
            soundfile.write(top / f"wav/{utt}.wav", voice(rng, pitch, 0.9 + 0.2 * k), 16000)
            wav[utt], truth[utt] = str(top / f"wav/{utt}.wav"), f"s{speaker}"
    write_data_dir(top / "train", wav, {utt: utt for utt in wav}, **{"utt2spk.truth": truth})
    noise, kinds = {}, {}
    for k, kind in enumerate(("babble", "music", "noise")):
        soundfile.write(top / f"wav/{kind}.wav", (800 * rng.standard_normal(16000)).astype(np.int16), 16000)
        noise[f"{kind}-{k}"], kinds[f"{kind}-{k}"] = str(top / f"wav/{kind}.wav"), kind
    write_data_dir(top / "noise", noise, kinds)
    rirs = {}
    for k in range(2):
        response = rng.standard_normal(4000) * np.exp(-np.arange(4000) / 600)
        response[30] = 8.0
        soundfile.write(top / f"wav/rir{k}.wav", response / 10, 16000, subtype="FLOAT")
        rirs[f"rir{k}"] = str(top / f"wav/rir{k}.wav")
    write_data_dir(top / "rirs", rirs, {r: r for r in rirs})
