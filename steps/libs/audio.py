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

from .cli import RecipeError
from .datadir import read_table

_ARK = re.compile(r"^(.+):(\d+)$")


class Recordings:
    """The recordings of a data directory.

    Args:
        data_dir: directory with wav.scp; utt2num_samples is used where present, else headers are read.
        sample_rate: the only rate accepted, Hz.
        probe: find every recording's length now; without it num_samples is not there.
        allow_pipes: run `command |` entries of wav.scp in a shell. Off, they are refused: a table is no program.

    Attributes:
        ids: list of N utterance ids, sorted.
        num_samples: (N,) int64.

    Raises:
        RecipeError: names wav.scp's line for anything that is not readable 16 kHz mono audio.
    """

    def __init__(self, data_dir: str | Path, sample_rate: int = 16000, allow_pipes: bool = False, probe=True):
        self.scp = Path(data_dir) / "wav.scp"
        self.sample_rate = sample_rate
        self.allow_pipes = allow_pipes
        table = read_table(self.scp)
        self.ids = list(table)
        self._where = list(table.values())
        lengths = self.scp.with_name("utt2num_samples")
        if not probe:
            return
        if lengths.exists():
            counts = read_table(lengths)
            if counts.keys() != table.keys():
                raise RecipeError(f"{lengths}: its ids are not those of {self.scp}; run steps/pack_audio.py again")
            self.num_samples = np.array([int(n) for n in counts.values()], dtype=np.int64)
        else:
            self.num_samples = np.array([self._probe(i) for i in range(len(self.ids))], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, i: int, start: int = 0, num: int | None = None) -> np.ndarray:
        """Samples [start, start + num) of recording i as int16; fewer where it ends earlier."""
        where = self._where[i]
        try:
            packed = _ARK.match(where)
            if packed:
                return _read_packed(packed[1], int(packed[2]), start, num)
            with self._open(where) as file:
                self._check(file.samplerate, file.channels)
                file.seek(start)
                return file.read(-1 if num is None else num, dtype="int16")
        except (OSError, ValueError, RuntimeError) as error:
            raise self._error(i, error) from error

    def _probe(self, i: int) -> int:
        where = self._where[i]
        try:
            packed = _ARK.match(where)
            if packed:
                return _packed_header(packed[1], int(packed[2]))[1] // 2
            with self._open(where) as file:
                self._check(file.samplerate, file.channels)
                return file.frames
        except (OSError, ValueError, RuntimeError) as error:
            raise self._error(i, error) from error

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

    def _check(self, rate: int, channels: int) -> None:
        if channels != 1:
            raise ValueError(f"{channels} channels, expected mono: convert it with `sox IN OUT remix -`")
        if rate != self.sample_rate:
            raise ValueError(
                f"{rate} Hz, expected {self.sample_rate}: convert it with `sox IN -r {self.sample_rate} OUT`"
            )

    def _error(self, i: int, error: Exception) -> RecipeError:
        reason = str(error) or type(error).__name__
        return RecipeError(f"{self.scp}:{i + 1}: {self.ids[i]}: {reason} ({self._where[i]})")


@functools.lru_cache(maxsize=512)
def _file(path: str) -> int:
    """A file descriptor for positioned reads; shared by forked workers, closed with the process."""
    return os.open(path, os.O_RDONLY)


def _packed_header(path: str, offset: int) -> tuple[int, int]:
    """Byte offset and byte count of the samples of the 16-bit mono WAV that starts at `offset` of an ark."""
    header = os.pread(_file(path), 44, offset)
    if header[:4] != b"RIFF" or header[20:24] != b"\1\0\1\0" or header[34:40] != b"\x10\0data":
        raise ValueError("no 16-bit mono WAV at this place of the ark: run steps/pack_audio.py again")
    return offset + 44, struct.unpack("<I", header[40:44])[0]


def _read_packed(path: str, offset: int, start: int, num: int | None) -> np.ndarray:
    begin = offset + 44 + 2 * start
    if num is None:
        begin, size = _packed_header(path, offset)
        begin, num = begin + 2 * start, size // 2 - start
    samples = bytearray(2 * num)
    samples = memoryview(samples)[: os.preadv(_file(path), [samples], begin)]
    return np.frombuffer(samples, dtype="<i2")
