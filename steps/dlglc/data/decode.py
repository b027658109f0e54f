"""Audio files of all formats that libsndfile or FFmpeg can read, in blocks of float samples."""

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ..arrays import Array
from .audio import ARK
from .readers import FfmpegReader, SoundReader, open_reader
from .wholeness import check_whole

ENDINGS = frozenset(
    """
    wav wave flac ogg oga opus mp3 mp2 m4a m4b mp4 m4v aac webm mkv mka mov avi 3gp amr wma aif aiff aifc caf au snd sph
    nist w64 rf64 voc ac3
    """.split()  # noqa: SIM905  # a list of words reads better so
)  # endings of audio files, in small letters

COPY = "recording."  # with this begins the name of a copy; a kill leaves one behind


class AudioFile:
    """An open audio file: its format, and its samples in blocks.

    Args:
        where: a path, `x.ark:offset` of a WAV in an ark, or `command |`.
        allow_pipes: run commands in a shell. If False, commands are refused.
        work_dir: folder for the output of commands; None = that of the system.

    Attributes:
        format: format of the file.
        doubtful: True if the file is perhaps cut short. This is known when all blocks are read.

    Raises:
        ValueError: the file cannot be used; the text says why. This can also happen while the blocks are read.
    """

    def __init__(self, where: str, allow_pipes: bool = False, work_dir: Path | None = None):
        self.doubtful = False
        self._copy: Any = None
        found = ARK.match(where)
        packed = found if not os.path.lexists(where) else None
        if packed or where.endswith("|"):
            self._copy = tempfile.NamedTemporaryFile(dir=work_dir, prefix=COPY)  # noqa: SIM115  # closed with this object
        self._path = self._copy.name if self._copy else where
        try:
            if packed:
                copy_packed(packed[1], int(packed[2]), self._copy)
            elif self._copy:
                run_command(where[:-1], allow_pipes, self._copy)
            check_place(self._path)
            self._reader = self._opened()
        except BaseException:
            self._close_copy()
            raise
        self.format = self._reader.format

    def close(self) -> None:
        self._reader.close()
        self._close_copy()

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def blocks(self) -> Iterator[Array]:
        """All samples in blocks of some seconds, (frames, channels) float32, where 1 is full scale.

        Raises:
            ValueError: the file is damaged or cut short.
        """
        self.doubtful = check_whole(self._path)
        yield from self._reader.blocks()

    def _opened(self) -> SoundReader | FfmpegReader:
        try:
            return open_reader(self._path)
        except ValueError:
            check_whole(self._path)  # this is the better reason
            raise

    def _close_copy(self) -> None:
        if self._copy:
            self._copy.close()


def check_place(path: str) -> None:
    """Check that there is a file that can be read.

    Raises:
        ValueError: there is none; the text says why.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise ValueError("a link that leads nowhere" if os.path.islink(path) else "no such file") from None
    except OSError as error:
        raise ValueError(f"it cannot be opened: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("a device or pipe, not a file")
    if not status.st_size:
        raise ValueError("an empty file, 0 bytes")
    try:
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise ValueError(f"it cannot be opened: {error.strerror}") from None


def run_command(command: str, allowed: bool, output: BinaryIO) -> None:
    """Run a `command |` entry and write its output to a file."""
    if not allowed:
        raise ValueError("a `command |` entry would run a program: pass --allow-pipes if you trust this file")
    done = subprocess.run(["bash", "-c", command], stdout=output, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()
        raise ValueError(f"the command failed ({done.returncode}): {words[-300:]}")


def copy_packed(ark: str, offset: int, output: BinaryIO) -> None:
    """Copy a WAV from an ark to a file. Its header has its length."""
    check_place(ark)
    with open(ark, "rb") as source:
        source.seek(offset)
        head = source.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise ValueError("no WAV at this place of the ark: remake the table with the program that wrote the ark")
        output.write(head)
        left = int.from_bytes(head[4:8], "little") - 4
        while left > 0 and (part := source.read(min(left, 1 << 20))):
            output.write(part)
            left -= len(part)
    output.flush()
