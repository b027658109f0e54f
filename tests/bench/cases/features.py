"""Cases about filter bank energies, from waveforms in memory and from augmented recordings on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from measure import Peer, compare
from peers import if_present, peer_module
from scipy.signal import convolve

from dlglc.data.augment import Augmenter
from dlglc.data.crops import Crops
from dlglc.data.fbank import Fbank
from dlglc.data.tables import write_data_dir
from dlglc.data.views import Views
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, FbankSettings

from .folders import new_folder

CROP = 48240  # samples of a crop of 300 frames


def fbank() -> None:
    """80 log-mel energies of 20 utterances of 8 s, one by one"""
    rng = np.random.default_rng(0)
    waves = [torch.from_numpy((2000 * rng.standard_normal(128000)).astype(np.int16)) for _ in range(20)]
    ours = Fbank(load_settings(FbankSettings))
    ta, knf = peer_module("torchaudio.compliance.kaldi"), peer_module("kaldi_native_fbank")
    af = peer_module("asrfront.sensevoice")

    def torchaudio() -> None:
        for wave in waves:
            ta.fbank(wave.float()[None], num_mel_bins=80)

    def native() -> None:
        options = knf.FbankOptions()
        options.frame_opts.dither, options.mel_opts.num_bins = 0, 80
        for wave in waves:
            extractor = knf.OnlineFbank(options)
            extractor.accept_waveform(16000, wave.float().tolist())
            extractor.input_finished()
            np.stack([extractor.get_frame(i) for i in range(extractor.num_frames_ready)])

    def asrfront() -> None:
        for wave in waves:
            af.fbank_raw(wave.numpy())

    peers = {
        "torchaudio.compliance.kaldi": Peer(if_present(ta, torchaudio), goal=2),
        "kaldi-native-fbank": Peer(if_present(knf, native)),
        "asrfront (C)": Peer(if_present(af, asrfront)),
    }
    compare("fbank 80, 160 s of audio", lambda: [ours(wave[None]) for wave in waves], peers)


def loading() -> None:
    """Augmented 3 s crops of 256 WAV files, to filter bank energies"""
    rng = np.random.default_rng(0)
    with new_folder() as top:
        waves = write_recordings(top, "utt", 256, 8.0, rng)
        noises = write_recordings(top, "noise", 32, 5.0, rng, kind="noise")
        responses = write_recordings(top, "rir", 32, 0.5, rng, decay=1200)
        extractor = Fbank(load_settings(FbankSettings))
        augmenter = Augmenter(load_settings(AugmentSettings), top / "noise", top / "rir", 16000)
        source = Crops(top / "utt", extractor, [(1, 3.0)], augmenter, 0)
        views = Views(extractor, augmenter)
        rows = np.arange(256).reshape(-1, 64)
        ta = peer_module("torchaudio.compliance.kaldi")

        def ours() -> None:
            for part in rows:
                views(source.batch(0, part), 0)

        theirs = if_present(ta, one_by_one(ta, waves, noises, responses, rng))
        peers = {"whole files, an utterance at a time, torchaudio (as WeSpeaker)": Peer(theirs)}
        compare("256 augmented 3 s crops to fbank", ours, peers)


def one_by_one(
    ta: Any, waves: list[str], noises: list[str], responses: list[str], rng: np.random.Generator
) -> Callable[[], None]:
    """A pass over whole files, one utterance at a time, each with a response or a noise, analysed by torchaudio."""

    def run() -> None:
        for path in waves:
            wave = soundfile.read(path, dtype="float32")[0]
            start = int(rng.integers(len(wave) - CROP))
            wave = wave[start : start + CROP]
            if rng.random() < 0.5:
                response = soundfile.read(responses[rng.integers(len(responses))], dtype="float32")[0]
                wave = convolve(wave, response, "full")[: len(wave)]
            else:
                noise = soundfile.read(noises[rng.integers(len(noises))], dtype="float32")[0][:CROP]
                gain = np.sqrt((wave**2).mean() / (noise**2).mean() * 10 ** (-rng.uniform(0, 15) / 10))
                wave = wave + gain * noise
            ta.fbank(torch.from_numpy(32768 * wave)[None], num_mel_bins=80)

    return run


def write_recordings(
    top: Path, name: str, count: int, seconds: float, rng: np.random.Generator, kind: str = "", decay: float = 0
) -> list[str]:
    """Write WAV files of noise and a data directory that lists them.

    Args:
        top: where the files and the data directory `name` go.
        name: of the data directory, and the beginning of each utterance's id.
        count: files.
        seconds: length of each file.
        rng: draws the samples.
        kind: second column of utt2spk. Empty: the utterance's own id.
        decay: samples in which the noise falls to 1/e, for an impulse response. 0: steady noise.

    Returns:
        the paths of the files.
    """
    wav = {}
    for utt in (f"{name}{i:04d}" for i in range(count)):
        samples = rng.standard_normal(int(16000 * seconds))
        if decay:
            samples *= np.exp(-np.arange(len(samples)) / decay)
            samples[0] = 8
        wav[utt] = str(top / f"{utt}.wav")
        soundfile.write(wav[utt], (1500 * samples).astype(np.int16), 16000)
    write_data_dir(top / name, wav, {utt: kind or utt for utt in wav})
    return list(wav.values())
