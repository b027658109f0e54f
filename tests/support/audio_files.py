"""Audio files of every format that the recipe takes, written by the encoders that people use."""

import fractions
import functools
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import soundfile

LOW, HIGH = 300.0, 1100.0  # Hz, what tones() holds


class Form(NamedTuple):
    """How a file is written.

    Attributes:
        ending: of its name.
        rate: Hz.
        channels: number of them, all the same.
        codec: subtype of libsndfile, or FFmpeg's encoder where `container` is given.
        container: FFmpeg's muxer; None = libsndfile writes the file.
        major: libsndfile's format, where the ending does not say.
    """

    ending: str
    rate: int
    channels: int
    codec: str
    container: str | None = None
    major: str | None = None


FORMS = {
    "pcm16": Form("wav", 16000, 1, "PCM_16"),
    "pcm8": Form("wav", 16000, 1, "PCM_U8"),
    "pcm24": Form("wav", 44100, 2, "PCM_24"),
    "pcm32": Form("wav", 48000, 1, "PCM_32"),
    "float": Form("wav", 16000, 1, "FLOAT"),
    "double": Form("wav", 22050, 1, "DOUBLE"),
    "extensible": Form("wav", 48000, 4, "PCM_16", major="WAVEX"),
    "a-law": Form("wav", 8000, 1, "ALAW"),
    "mu-law": Form("wav", 8000, 2, "ULAW"),
    "ima adpcm": Form("wav", 16000, 1, "IMA_ADPCM"),
    "ms adpcm": Form("wav", 16000, 1, "MS_ADPCM"),
    "gsm": Form("wav", 8000, 1, "GSM610"),
    "mp3 in wav": Form("wav", 44100, 1, "libmp3lame", "wav"),
    "rf64": Form("rf64", 16000, 1, "PCM_16"),
    "wave64": Form("w64", 16000, 1, "PCM_16"),
    "flac": Form("flac", 16000, 1, "PCM_16"),
    "flac24": Form("flac", 96000, 2, "PCM_24"),
    "vorbis": Form("ogg", 16000, 1, "VORBIS"),
    "opus": Form("opus", 48000, 2, "OPUS", major="OGG"),
    "mp3": Form("mp3", 44100, 2, "MPEG_LAYER_III"),
    "mp3 of speech": Form("mp3", 16000, 1, "MPEG_LAYER_III"),
    "aiff": Form("aiff", 16000, 1, "PCM_16"),
    "aiff float": Form("aif", 16000, 1, "FLOAT", major="AIFF"),
    "caf": Form("caf", 16000, 1, "PCM_16"),
    "alac": Form("caf", 44100, 2, "ALAC_16"),
    "au": Form("au", 16000, 1, "PCM_16"),
    "au mu-law": Form("snd", 8000, 1, "ULAW", major="AU"),
    "sphere": Form("sph", 16000, 1, "PCM_16", major="NIST"),
    "sphere mu-law": Form("sph", 8000, 2, "ULAW", major="NIST"),
    "voc": Form("voc", 16000, 1, "PCM_16"),
    "m4a": Form("m4a", 44100, 1, "aac", "ipod"),
    "m4a of speech": Form("m4a", 16000, 1, "aac", "ipod"),
    "m4a alac": Form("m4a", 44100, 2, "alac", "ipod"),
    "mp4": Form("mp4", 48000, 2, "aac", "mp4"),
    "mov": Form("mov", 44100, 1, "pcm_s16le", "mov"),
    "3gp": Form("3gp", 16000, 1, "aac", "3gp"),
    "webm": Form("webm", 48000, 1, "libopus", "webm"),
    "matroska": Form("mka", 48000, 2, "libopus", "matroska"),
    "avi": Form("avi", 44100, 2, "libmp3lame", "avi"),
    "wma": Form("wma", 44100, 2, "wmav2", "asf"),
    "aac": Form("aac", 44100, 1, "aac", "adts"),
    "amr": Form("amr", 8000, 1, "libopencore_amrnb", "amr"),
    "mp2": Form("mp2", 44100, 2, "mp2", "mp2"),
    "ac3": Form("ac3", 48000, 2, "ac3", "ac3"),
}
# Formats that say nowhere how long they are: a cut that leaves whole frames cannot be seen.
WITHOUT_LENGTH = ("voc", "mp2", "ac3")


def tones(seconds: float, rate: int, level: float = 0.3) -> np.ndarray:
    """Two tones, (N,) float64 of full scale 1. The louder one is LOW; the peak is about `level`."""
    t = np.arange(int(seconds * rate)) / rate
    return level * (0.8 * np.sin(2 * np.pi * LOW * t) + 0.2 * np.sin(2 * np.pi * HIGH * t))


def write_form(path: Path, name: str, seconds: float = 2.0, samples: np.ndarray | None = None) -> Path:
    """Write tones, or mono samples at the rate of that form, in one of FORMS; returns the path."""
    form = FORMS[name]
    samples = tones(seconds, form.rate) if samples is None else samples
    if form.container:
        encode(path, samples, form.rate, form.channels, form.codec, form.container)
    else:
        wide = np.repeat(samples[:, None], form.channels, 1)
        soundfile.write(path, wide, form.rate, subtype=form.codec, format=form.major)
    return path


def encode(
    target: Any, samples: np.ndarray, rate: int, channels: int, codec: str, container: str, **options: str
) -> None:
    """Write mono samples with FFmpeg, the same in all channels, to a path or a file object.

    Args:
        options: of the muxer.
    """
    with av.open(str(target) if isinstance(target, Path) else target, "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=rate, layout="stereo" if channels == 2 else "mono")
        if codec == "wmav2":  # its own default is refused
            stream.codec_context.bit_rate = 128000
        for packet in packets(stream, samples, rate, channels):
            out.mux(packet)


def packets(stream: Any, samples: np.ndarray, rate: int, channels: int) -> Iterator[Any]:
    """What an audio stream's encoder makes of mono samples."""
    layout = "stereo" if channels == 2 else "mono"
    frame = av.AudioFrame.from_ndarray(np.tile(samples.astype("f4"), (channels, 1)), format="fltp", layout=layout)
    frame.sample_rate = rate
    context = stream.codec_context
    fit = av.AudioResampler(context.format.name, layout, rate, frame_size=context.frame_size or 1024)
    done = 0
    for part in [*fit.resample(frame), *fit.resample(None), None]:
        if part is not None:
            part.pts, part.time_base = done, fractions.Fraction(1, rate)
            done += part.samples
        yield from stream.encode(part)


class Pipe(io.RawIOBase):
    """A file object that cannot go back, as a pipe: sizes and lengths stay unknown to the writer."""

    def __init__(self) -> None:
        self.content = io.BytesIO()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self.content.write(data)


def streamed(samples: np.ndarray, rate: int, codec: str, container: str, **options: str) -> bytes:
    """A file as a program writes it to a pipe."""
    pipe = Pipe()
    encode(_only_write(pipe), samples, rate, 1, codec, container, **options)
    return pipe.content.getvalue()


def _only_write(pipe: Pipe) -> Any:
    return type("Writer", (), {"write": functools.partial(Pipe.write, pipe)})()


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder, in which permissions count for root as well."""
    folder = Path(tempfile.mkdtemp())  # not below pytest's, which is root's alone
    root = os.geteuid() == 0
    if root:
        os.chown(folder, 65534, -1)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)
