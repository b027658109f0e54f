"""Recordings by wav.scp: 16 kHz mono, whole or any stretch of samples, reading no more bytes than asked for."""

import functools
import io
import os
import re
import struct
import subprocess
from pathlib import Path

import numpy as np
import soundfile

from ..errors import RecipeError
from .columns import read_columns


_ARK = re.compile(r"^(.+):(\d+)$")
_FFMPEG = (".m4a", ".mp4", ".aac")  # what libsndfile does not read
_STREAMED = 0x7FFFF000  # bytes: a WAV written to a pipe claims as many, or more
NO_AV = "m4a is read by the Python package av (FFmpeg's libraries), which is missing"
_SLACK = 0.2  # s that a decoder may deliver less than the container says: AAC's frames and their padding


class Recordings:
    """The recordings of a data directory.

    Args:
        data_dir: directory with wav.scp; utt2num_samples is used where present, else headers are read.
        sample_rate: the only rate accepted, Hz.
        probe: find every recording's length now; without it num_samples is not there.
        allow_pipes: run `command |` entries of wav.scp in a shell. Off, they are refused: a table is no program.

    Attributes:
        ids: N utterance ids, sorted.
        num_samples: (N,) int64.

    Raises:
        RecipeError: names wav.scp's line for anything that is not readable 16 kHz mono audio.
    """

    def __init__(self, data_dir: str | Path, sample_rate: int = 16000, allow_pipes: bool = False, probe=True):
        self.scp = Path(data_dir) / "wav.scp"
        self.sample_rate = sample_rate
        self.allow_pipes = allow_pipes
        self.ids, self.where = read_columns(self.scp)
        lengths = self.scp.with_name("utt2num_samples")
        if not probe:
            return
        if lengths.exists():
            ids, counts = read_columns(lengths)
            if ids != self.ids:
                raise RecipeError(f"{lengths}: its ids are not those of {self.scp}; run steps/pack_audio.py again")
            try:
                self.num_samples = counts.numbers()
            except ValueError as error:
                raise RecipeError(f"{lengths}: {error}; run steps/pack_audio.py again") from None
        else:
            self.num_samples = np.array([self.probe(i) for i in range(len(self.ids))], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, i: int, start: int = 0, num: int | None = None) -> np.ndarray:
        """Samples [start, start + num) of recording i as int16; fewer where it ends earlier."""
        where = self.where[i]
        try:
            packed = _ARK.match(where)
            if packed:
                return _read_packed(packed[1], int(packed[2]), start, num)
            if where.endswith(_FFMPEG):
                return self._decode(where)[start:][:num]
            if where.endswith(".wav") and (plain := self._read_wav(where, start, num)):
                return plain[1]
            with self._open(where) as file:
                self._check(file.samplerate, file.channels)
                file.seek(min(start, file.frames))
                return file.read(-1 if num is None else num, dtype="int16")
        except (OSError, ValueError, RuntimeError) as error:
            raise self._error(i, error) from error

    def probe(self, i: int) -> int:
        """Number of samples of recording i, by its header."""
        where = self.where[i]
        try:
            packed = _ARK.match(where)
            if packed:
                return _packed_header(packed[1], int(packed[2]))[1] // 2
            if where.endswith(_FFMPEG):
                raise ValueError(
                    "its length is known only when it is decoded: pack the recordings (steps/pack_audio.py)"
                )
            if where.endswith(".wav") and (plain := self._read_wav(where)):
                return plain[0]
            with self._open(where) as file:
                self._check(file.samplerate, file.channels)
                return file.frames
        except (OSError, ValueError, RuntimeError) as error:
            raise self._error(i, error) from error

    def _read_wav(self, where: str, start: int = 0, num: int | None = 0) -> tuple[int, np.ndarray] | None:
        """Length and a stretch of a 16-bit mono WAV, in two reads; None if it is another kind of file."""
        file = os.open(where, os.O_RDONLY)
        try:
            begin, size = _wav_header(os.pread(file, 512, 0), self.sample_rate)
            if not begin:
                return None
            there = os.fstat(file).st_size - begin
            if there < size < _STREAMED:
                raise ValueError(f"cut short: {there} of {size} bytes of samples: fetch or convert the file again")
            length = min(size, there) // 2
            start = min(start, length)
            num = length - start if num is None else min(num, length - start)
            return length, np.frombuffer(os.pread(file, 2 * num, begin + 2 * start), dtype="<i2")
        finally:
            os.close(file)

    def _open(self, where: str) -> soundfile.SoundFile:
        if not where.endswith("|"):
            if not os.path.exists(where):
                raise ValueError("no such file: mend the path, or take the line out and run utils/fix_data_dir.sh")
            return soundfile.SoundFile(where)
        if not self.allow_pipes:
            raise ValueError("a `command |` entry would run a program: pass --allow-pipes if you trust this file")
        done = subprocess.run(["bash", "-c", where[:-1]], capture_output=True, check=False)
        if done.returncode:
            raise ValueError(f"the command failed ({done.returncode}): {done.stderr.decode(errors='replace').strip()}")
        return soundfile.SoundFile(io.BytesIO(done.stdout))

    def _decode(self, where: str) -> np.ndarray:
        """All samples of a file that FFmpeg reads, as mono at the sample rate; as many as its container promises."""
        try:
            import av  # here, as nothing but m4a needs it
        except ImportError:
            raise ValueError(f"{NO_AV}: pip install av") from None
        try:
            with av.open(where) as container:
                stream = container.streams.audio[0]
                expected = float(stream.duration * stream.time_base) if stream.duration else 0.0
                resampler = av.AudioResampler(format="s16", layout="mono", rate=self.sample_rate)
                frames = [part for frame in container.decode(stream) for part in resampler.resample(frame)]
                frames += resampler.resample(None)
        except (av.FFmpegError, IndexError) as error:
            raise ValueError(f"cannot decode it: {error}: fetch the file again") from error
        samples = np.concatenate([np.zeros(0, np.int16), *(frame.to_ndarray()[0] for frame in frames)])
        decoded = len(samples) / self.sample_rate
        if decoded < expected - _SLACK:
            raise ValueError(f"{decoded:.2f} s decoded of {expected:.2f} s: damaged, fetch the file again")
        return samples

    def _check(self, rate: int, channels: int) -> None:
        if channels != 1:
            raise ValueError(f"{channels} channels, expected mono: convert it with `sox IN OUT remix -`")
        if rate != self.sample_rate:
            raise ValueError(
                f"{rate} Hz, expected {self.sample_rate}: convert it with `sox IN -r {self.sample_rate} OUT`"
            )

    def _error(self, i: int, error: Exception) -> RecipeError:
        reason = str(error) or type(error).__name__
        if isinstance(error, FileNotFoundError):
            reason = "no such file: mend the path, or take the line out and run utils/fix_data_dir.sh"
        return RecipeError(f"{self.scp}:{i + 1}: {self.ids[i]}: {reason} ({self.where[i]})")


def read_crops(recordings: Recordings, i: int, places: list[float], crops: list[np.ndarray]) -> None:
    """Fill int16 arrays with crops of one recording, which is repeated in those that are longer than it.

    The stretch that holds all of them is read in one go, unless it is more than twice as long as they are together.

    Args:
        places: of each crop, in [0, 1): where it begins, as a fraction of where it can.

    Raises:
        RecipeError: the recording cannot be read, or ends early.
    """
    length = int(recordings.num_samples[i])
    starts = [int(place * max(length - len(crop) + 1, 1)) for place, crop in zip(places, crops)]
    first, end = min(starts), max(min(start + len(crop), length) for start, crop in zip(starts, crops))
    together = end - first <= 2 * sum(map(len, crops))
    stretch = recordings.read(i, first, end - first) if together else None
    for start, crop in zip(starts, crops):
        wanted = min(len(crop), length)
        part = stretch[start - first :][:wanted] if together else recordings.read(i, start, wanted)
        if len(part) < wanted:
            raise RecipeError(
                f"{recordings.scp}:{i + 1}: {recordings.ids[i]}: it ends before the {length} samples that it "
                "should have: run steps/pack_audio.py again"
            )
        crop[:] = part if wanted == len(crop) else np.resize(part, len(crop))


def packed_wav(samples: np.ndarray, sample_rate: int) -> bytes:
    """A 16-bit mono WAV with the shortest header, 44 bytes: what stands in an ark after an id and a blank."""
    size = 2 * len(samples)
    head = struct.pack(
        "<4sI8sIHHIIHH4sI",
        b"RIFF",
        size + 36,
        b"WAVEfmt ",
        16,
        1,
        1,
        sample_rate,
        2 * sample_rate,
        2,
        16,
        b"data",
        size,
    )
    return head + samples.astype("<i2", copy=False).tobytes()


def _wav_header(head: bytes, sample_rate: int) -> tuple[int, int]:
    """Byte offset and byte count of the samples of a 16-bit mono WAV at this rate; (0, 0) for anything else."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0, 0
    at, known = 12, False
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        at += 8
        if name == b"data":
            return (at, size) if known else (0, 0)
        if name == b"fmt ":
            known = head[at : at + 16] == struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
        at += size + size % 2
    return 0, 0


@functools.lru_cache(maxsize=512)
def open_file(path: str) -> int:
    """A file descriptor for positioned reads; shared by forked workers, closed with the process."""
    return os.open(path, os.O_RDONLY)


def _packed_header(path: str, offset: int) -> tuple[int, int]:
    """Byte offset and byte count of the samples of the 16-bit mono WAV that starts at `offset` of an ark."""
    header = os.pread(open_file(path), 44, offset)
    if header[:4] != b"RIFF" or header[20:24] != b"\1\0\1\0" or header[34:40] != b"\x10\0data":
        raise ValueError("no 16-bit mono WAV at this place of the ark: run steps/pack_audio.py again")
    return offset + 44, struct.unpack("<I", header[40:44])[0]


def _read_packed(path: str, offset: int, start: int, num: int | None) -> np.ndarray:
    begin = offset + 44 + 2 * start
    if num is None:
        begin, size = _packed_header(path, offset)
        begin, num = begin + 2 * start, size // 2 - start
    samples = bytearray(2 * num)
    samples = memoryview(samples)[: os.preadv(open_file(path), [samples], begin)]
    return np.frombuffer(samples, dtype="<i2")
