"""Audio files as people have them: whatever libsndfile or FFmpeg reads, in blocks of float samples."""

import io
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import soundfile

from ..arrays import Array

ENDINGS = frozenset(
    """
    wav wave flac ogg oga opus mp3 mp2 m4a m4b mp4 m4v aac webm mkv mka mov avi 3gp amr wma aif aiff aifc caf au snd sph
    nist w64 rf64 voc ac3
    """.split()  # noqa: SIM905  # a list of words reads better so
)  # of names that are taken for audio, in small letters
BLOCK = 1 << 18  # frames of a block
STREAMED = 0x7FFFF000  # bytes: a WAV that was written to a pipe claims as many, or more
SLACK = 0.2  # s that a decoder may deliver less than the container says: frames and padding of AAC, MP3, Opus


class Format(NamedTuple):
    """What a file is.

    Attributes:
        codec: e.g. PCM_16, FLOAT, OPUS (libsndfile's names) or aac (FFmpeg's).
        rate: Hz.
        channels: number of them.
        seconds: by its header; 0 where that does not say.
    """

    codec: str
    rate: int
    channels: int
    seconds: float


class AudioFile:
    """An audio file, opened: its format, then its samples in blocks.

    Args:
        where: a path, or `command |`.
        allow_pipes: run commands in a shell. Off, they are refused: a table is no program.

    Raises:
        ValueError: what is wrong with the file; also while it is read.
    """

    def __init__(self, where: str, allow_pipes: bool = False):
        self.where = where
        source: Any = where
        if where.endswith("|"):
            source = io.BytesIO(output_of(where[:-1], allow_pipes))
        elif not os.path.exists(where):
            raise ValueError("no such file")
        elif os.path.getsize(where) == 0:
            raise ValueError("an empty file, 0 bytes")
        self._file: soundfile.SoundFile | None = None
        self._container: Any = None
        try:
            self._file = soundfile.SoundFile(source)
            self.format = self._sound_format()
        except soundfile.LibsndfileError as error:
            self._open_by_ffmpeg(source, error.error_string)

    def close(self) -> None:
        for opened in (self._file, self._container):
            if opened is not None:
                opened.close()

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def blocks(self) -> Iterator[Array]:
        """All samples as (frames, channels) float32 of full scale 1, some seconds at a time.

        Raises:
            ValueError: the file is damaged or cut short.
        """
        return self._sound_blocks(self._file) if self._file else self._ffmpeg_blocks()

    # --- libsndfile

    def _sound_format(self) -> Format:
        file = self._file
        assert file is not None
        return Format(file.subtype, file.samplerate, file.channels, file.frames / file.samplerate)

    def _sound_blocks(self, file: soundfile.SoundFile) -> Iterator[Array]:
        done = 0
        # Lossy codecs and narrow ones are taken as 16 bits, as the whole recipe has them; wider ones as floats.
        wide = file.subtype in ("FLOAT", "DOUBLE", "PCM_24", "PCM_32")
        while True:
            try:
                block = file.read(BLOCK, dtype="float32" if wide else "int16", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                reason = getattr(error, "error_string", "") or "its data are damaged"
                raise ValueError(f"cut short or damaged after {done / file.samplerate:.2f} s: {reason}") from None
            if not len(block):
                break
            done += len(block)
            yield block if wide else block.astype(np.float32) / np.float32(32768)
        self._check_length(file, done)

    def _check_length(self, file: soundfile.SoundFile, done: int) -> None:
        if done < file.frames - SLACK * file.samplerate or (file.subtype.startswith("PCM") and done < file.frames):
            expected = file.frames / file.samplerate
            raise ValueError(f"cut short: {done / file.samplerate:.2f} s of {expected:.2f} s are there")
        # libsndfile makes headers of cut files fit, and says so in its log: "data : 82560 (should be 49518)".
        claims = [int(size) for size in re.findall(r": (\d+) \(should be \d+\)", file.extra_info)]
        if any(0 < size < STREAMED for size in claims):
            raise ValueError(f"cut short: its header speaks of {max(claims)} bytes, more than there are")
        if self.where.endswith("|"):
            return
        if file.format == "OGG" and not ends_whole_ogg(self.where):
            raise ValueError(f"cut short: the stream has no end ({done / file.samplerate:.2f} s are there)")
        if file.format == "NIST" and (count := nist_samples(self.where)) > done:
            raise ValueError(f"cut short: {done} of {count} samples are there")

    # --- FFmpeg

    def _open_by_ffmpeg(self, source: Any, reason: str) -> None:
        import av  # here, as most runs need it not

        try:
            self._container = av.open(source)
            if not self._container.streams.audio:
                raise ValueError("it holds no audio stream")
            stream = self._container.streams.audio[0]
            length = stream.duration * stream.time_base if stream.duration else (self._container.duration or 0) / 1e6
            context = stream.codec_context
            self.format = Format(context.name, context.sample_rate, context.channels, float(length))
        except (av.FFmpegError, OSError, IndexError) as error:
            kind = describe_content(self.where) if isinstance(source, str) else ""
            raise ValueError(f"no audio that can be read{kind} ({reason.strip('. ')}; FFmpeg: {error})") from None
        if not self.format.rate or not self.format.channels:
            raise ValueError("no audio that can be read: the stream has no sample rate")

    def _ffmpeg_blocks(self) -> Iterator[Array]:
        import av

        frames: list[Array] = []
        waiting = done = 0
        converter = av.AudioResampler(format="fltp")
        try:
            for frame in self._container.decode(audio=0):
                for part in converter.resample(frame):
                    frames.append(part.to_ndarray().T.astype(np.float32, copy=False))
                    waiting += len(frames[-1])
                if waiting >= BLOCK:
                    yield np.concatenate(frames)
                    frames, done, waiting = [], done + waiting, 0
        except av.FFmpegError as error:
            at = (done + waiting) / self.format.rate
            raise ValueError(f"cut short or damaged after {at:.2f} s: {error}") from None
        if frames:
            yield np.concatenate(frames)
        seconds = (done + waiting) / self.format.rate
        if seconds < self.format.seconds - SLACK:
            raise ValueError(f"cut short: {seconds:.2f} s of {self.format.seconds:.2f} s are there")


def output_of(command: str, allowed: bool) -> bytes:
    """What a `command |` entry prints."""
    if not allowed:
        raise ValueError("a `command |` entry would run a program: pass --allow-pipes if you trust this file")
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    if done.returncode:
        raise ValueError(f"the command failed ({done.returncode}): {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def ends_whole_ogg(path: str) -> bool:
    """True if the last page of an Ogg file is whole and marked as the end of its stream (RFC 3533, section 6)."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        file.seek(max(0, size - (1 << 17)))  # a page has 65,307 bytes at most
        tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27 or not tail[at + 5] & 4:
        return False
    segments = tail[at + 26]
    return len(tail) >= at + 27 + segments + sum(tail[at + 27 : at + 27 + segments])


def nist_samples(path: str) -> int:
    """Samples of a channel that the header of a NIST SPHERE file speaks of; 0 where it does not."""
    with open(path, "rb") as file:
        found = re.search(rb"sample_count -i (\d+)", file.read(1024))
    return int(found[1]) if found else 0


def describe_content(path: str) -> str:
    """A word on what a file is that claims to be audio: ", it is text", or nothing where nobody knows."""
    with open(path, "rb") as file:
        head = file.read(512)
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return ", it is a text file" if all(letter.isprintable() or letter.isspace() for letter in text) else ""
