"""Blocks of samples out of a file, by libsndfile or by FFmpeg."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import soundfile

from ..arrays import Array
from .audio import OGG_SCALE, OGG_SUBTYPES
from .wholeness import ends_as_declared

BLOCK = 1 << 18  # frames of a block
DAMAGED = 0.01  # share of a file's packets that may be unreadable
SLACK = 0.2  # s that a decoder may deliver less than the container says: frames and padding of AAC, MP3, Opus
NARROW = frozenset(
    """
    PCM_16 PCM_S8 PCM_U8 ULAW ALAW IMA_ADPCM MS_ADPCM GSM610 ALAC_16 DPCM_8 DPCM_16 VOX_ADPCM G721_32 G723_24 G723_40
    pcm_s16le pcm_s16be pcm_u8 pcm_alaw pcm_mulaw
    """.split()  # noqa: SIM905
)  # codecs of 16 bits or fewer, by their names in libsndfile and FFmpeg


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

    @property
    def wide(self) -> bool:
        """True if the samples have more than 16 bits."""
        return self.codec not in NARROW


def open_reader(path: str) -> "SoundReader | FfmpegReader":
    """libsndfile where it can, else FFmpeg."""
    try:
        reader = SoundReader(path)
    except (soundfile.LibsndfileError, TypeError) as error:  # the latter where a name ends in .raw
        return FfmpegReader(path, getattr(error, "error_string", "Format not recognised"))
    if reader.reads_all:
        return reader
    reader.close()
    return FfmpegReader(path, "it holds no sample")


class SoundReader:
    """A file that libsndfile reads.

    Attributes:
        format: what it is.
        reads_all: False if libsndfile would not read all of it, or nothing.
    """

    def __init__(self, path: str):
        self._file = file = soundfile.SoundFile(path)
        known = file.frames < 1 << 60  # a FLAC that was written to a pipe does not say
        self.format = Format(
            file.subtype, file.samplerate, file.channels, file.frames / file.samplerate if known else 0.0
        )
        # A WAV that was never finished has 0 as its size.
        unfinished = file.frames == 0 and os.path.getsize(path) > 4096
        # Of an MP3 without a header in its first frame, or of several in a row, libsndfile guesses the length.
        self.reads_all = known and not unfinished and (file.format != "MP3" or ends_as_declared(path))

    def close(self) -> None:
        self._file.close()

    def blocks(self) -> Iterator[Array]:
        """As AudioFile.blocks."""
        file, done = self._file, 0
        # As floats: libsndfile lets what exceeds full scale in an Ogg file wrap around otherwise.
        scale = OGG_SCALE if file.subtype in OGG_SUBTYPES else None
        while True:
            try:
                block = file.read(BLOCK, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                reason = getattr(error, "error_string", "") or "its data are damaged"
                after = f" after {done / file.samplerate:.0f} s" if done else ""
                raise ValueError(f"cut short or damaged{after}: {reason.strip('. ')}") from None
            if not len(block):
                break
            done += len(block)
            yield block if scale is None else block * scale
        if done < file.frames - SLACK * file.samplerate:
            expected = file.frames / file.samplerate
            raise ValueError(f"cut short: {done / file.samplerate:.2f} s of {expected:.2f} s are there")


class FfmpegReader:
    """A file that FFmpeg reads: its first, or best, audio stream.

    Args:
        path: the file.
        reason: why libsndfile does not read it, for a message.
    """

    def __init__(self, path: str, reason: str):
        try:
            import av  # here, as most runs do not need it
        except ImportError:
            missing = "the Python package av (FFmpeg's libraries) reads this format, and is missing: pip install av"
            raise ValueError(missing) from None

        self._resampler: Any = None
        self._kind: Any = None  # of the frames that the resampler takes
        self._end = 0.0  # s, of the frames so far
        try:  # file: a name may look like an address; a playlist must lead nowhere
            self._container = av.open(f"file:{path}", options={"protocol_whitelist": "file"}, metadata_errors="replace")
        except (av.FFmpegError, OSError) as error:
            words = f"{reason.strip('. ')}; FFmpeg: {error.strerror or error}"
            raise ValueError(f"no audio that can be read{describe_content(path)} ({words})") from None
        try:
            self._stream: Any = self._container.streams.best("audio")
            if self._stream is None:
                raise ValueError("it holds no audio stream")
            context: Any = self._stream.codec_context
            if context is None:
                raise ValueError("FFmpeg does not know its codec: convert it to FLAC")
            if not context.sample_rate or not context.channels:
                raise ValueError(f"no audio that can be read{describe_content(path)} ({reason.strip('. ')})")
            self._layout = context.layout.name
            self._declared = declared_end(self._container, self._stream)
            seconds = self._declared or (self._container.duration or 0) / 1e6
            self.format = Format(context.name, context.sample_rate, context.channels, seconds)
        except BaseException:
            self._container.close()
            raise

    def close(self) -> None:
        self._container.close()

    def blocks(self) -> Iterator[Array]:
        """As AudioFile.blocks."""
        waiting: list[Array] = []
        count = 0
        for frame in self._frames():
            start = self._end if frame.pts is None else float(frame.pts * frame.time_base)
            self._end = start + frame.samples / frame.sample_rate
            parts = self._converted(frame)
            waiting += parts
            count += sum(map(len, parts))
            if count >= BLOCK:
                yield np.concatenate(waiting)
                waiting, count = [], 0
        waiting += self._converted(None)
        if waiting:
            yield np.concatenate(waiting)
        # By the time of the last frame: a recording may have gaps in which nothing was recorded.
        if self._end < self._declared - SLACK:
            raise ValueError(f"cut short: {self._end:.2f} s of {self._declared:.2f} s are there")

    def _frames(self) -> Iterator[Any]:
        """Decoded frames. A packet that cannot be decoded is left out, unless nothing follows, or there are many."""
        import av

        packets = lost = 0
        last: str | None = ""
        try:
            for packet in self._container.demux(self._stream):
                packets += 1
                try:
                    frames = packet.decode()
                except av.FFmpegError as error:
                    lost, last = lost + 1, error.strerror
                    continue
                if frames:
                    last = ""
                yield from frames
        except av.FFmpegError as error:
            last = error.strerror
        if last:
            raise ValueError(f"cut short or damaged after {self._end:.2f} s: {last}")
        if lost > DAMAGED * packets:
            raise ValueError(f"damaged: {lost} of {packets} packets cannot be decoded")

    def _converted(self, frame: Any) -> list[Array]:
        """(samples, channels) float32 at the rate and with the channels of the format; None for the rest.

        A stream may change both on its way, or have others than its header says (HE-AAC).
        """
        import av

        parts: list[Any] = []
        kind = frame and (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            parts += self._resampler.resample(None) if self._resampler else []
            self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self.format.rate)
            self._kind = kind
        if frame is not None:
            parts += self._resampler.resample(frame)
        return [part.to_ndarray().T.astype(np.float32, copy=False) for part in parts]


def declared_end(container: Any, stream: Any) -> float:
    """Time of a stream's end in seconds, where its container knows and does not only estimate; else 0."""
    name = container.format.name
    if "mp4" in name and stream.duration:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    if "matroska" in name:
        words = stream.metadata.get("DURATION", "").split(":")
        if len(words) == 3:
            return 3600 * float(words[0]) + 60 * float(words[1]) + float(words[2])
    if ("matroska" in name or name == "asf") and len(container.streams) == 1:  # the longest stream's, otherwise
        return (container.duration or 0) / 1e6
    return 0.0


def describe_content(path: str) -> str:
    """A word on what a file is that claims to be audio: ", it is a text file", or nothing where nobody knows."""
    with open(path, "rb") as file:
        head = file.read(512)
    # The last letter may be cut.
    text = head.decode("utf-8", errors="ignore" if len(head) == 512 else "replace")
    if len(text.encode()) < len(head) - 3 or "\ufffd" in text:
        return ""
    return ", it is a text file" if all(letter.isprintable() or letter.isspace() for letter in text) else ""
