"""Recordings by wav.scp as all stages after the first meet them: 16 kHz mono, whole or any stretch of samples.

What users bring, in any format, is read by decode.py and packed by packing.py.
"""

import functools
import os
import re
import struct
from pathlib import Path

import numpy as np
import soundfile

from ..arrays import Array
from ..errors import RecipeError
from .columns import read_columns
from .tables import place_of

ARK = re.compile(r"^(.+):([0-9]{1,18})$")  # file and offset of a recording in an ark
HEADER = 44  # bytes before the samples of a packed WAV
PART = 1 << 22  # samples that are read together
WIDE = ("FLOAT", "DOUBLE", "PCM_24", "PCM_32", "ALAC_20", "ALAC_24", "ALAC_32")  # libsndfile's, more than 16 bits
OGG_SUBTYPES = ("VORBIS", "OPUS")
OGG_SCALE = np.float32(32767 / 32768)  # libsndfile makes 16 bits of these two with 32767, other codecs with 32768


class Recordings:
    """The recordings of a data directory.

    Args:
        data_dir: directory with wav.scp; utt2num_samples is used where present, else headers are read.
        sample_rate: the only rate accepted, Hz.
        probe: find every recording's length now; without it num_samples is -1 everywhere.

    Attributes:
        ids: N utterance ids, sorted.
        num_samples: (N,) int64.

    Raises:
        RecipeError: names wav.scp's line for anything that is not readable mono audio of that rate.
    """

    def __init__(self, data_dir: str | Path, sample_rate: int = 16000, probe: bool = True):
        self.scp = Path(data_dir) / "wav.scp"
        self.sample_rate = sample_rate
        self.ids, self.where = read_columns(self.scp)
        self._checked = np.zeros(len(self.ids), dtype=bool)  # recordings whose header was compared with num_samples
        self.num_samples: Array = np.full(len(self.ids), -1, dtype=np.int64)
        if not probe:
            return
        lengths = self.scp.with_name("utt2num_samples")
        if not lengths.exists():
            self.num_samples = np.array([self.probe(i) for i in range(len(self.ids))], dtype=np.int64)
            return
        ids, counts = read_columns(lengths)
        if ids != self.ids:
            raise RecipeError(f"{lengths}: its ids are not those of {self.scp}; run steps/pack_audio.py again")
        try:
            self.num_samples = counts.numbers()
        except ValueError as error:
            raise RecipeError(f"{lengths}: {error}; run steps/pack_audio.py again") from None
        if not self.num_samples.all():
            row = int(np.argmin(self.num_samples))
            raise RecipeError(f"{lengths}:{row + 1}: {ids[row]} has no sample; run steps/pack_audio.py again")

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, i: int, start: int = 0, num: int | None = None) -> Array:
        """Samples [start, start + num) of recording i as int16; fewer where it ends earlier.

        Raises:
            RecipeError: the recording cannot be read, or is not as long as utt2num_samples or its own header says.
        """
        where = self.where[i]
        try:
            packed = ARK.match(where)
            if packed:
                return self._read_packed(i, packed[1], int(packed[2]), start, num)
            with self._open(where) as file:
                start = min(start, file.frames)
                wanted = file.frames - start if num is None else min(num, file.frames - start)
                if start:  # a file whose header lies cannot be sought in
                    file.seek(start)
                return read_samples(file, start, wanted)
        except (OSError, ValueError, RuntimeError) as error:
            raise self._error(i, error) from error

    def probe(self, i: int) -> int:
        """Number of samples of recording i, by its header."""
        where = self.where[i]
        try:
            packed = ARK.match(where)
            if packed:
                return packed_length(packed[1], int(packed[2]))
            with self._open(where) as file:
                return int(file.frames)
        except (OSError, ValueError, RuntimeError) as error:
            raise self._error(i, error) from error

    def _read_packed(self, i: int, ark: str, offset: int, start: int, num: int | None) -> Array:
        """A stretch of a packed WAV. Its header is looked at once, so that no crop is of a neighbour's samples."""
        length = int(self.num_samples[i])
        if length < 0 or num is None or not self._checked[i]:
            there = packed_length(ark, offset)
            if length >= 0 and length != there:
                raise ValueError(
                    f"{there} samples in the ark, {length} in utt2num_samples: run steps/pack_audio.py again"
                )
            length, self._checked[i] = there, True
        start = min(start, length)
        wanted = length - start if num is None else min(num, length - start)
        if os.fstat(open_file(ark)).st_size < offset + HEADER + 2 * (start + wanted):
            raise ValueError(f"the ark is cut short within it: run steps/pack_audio.py again ({ark})")
        samples = np.empty(wanted, dtype="<i2")
        got = os.preadv(open_file(ark), [samples.data], offset + HEADER + 2 * start)
        if got < samples.nbytes:
            raise ValueError(f"the ark is cut short within it: run steps/pack_audio.py again ({ark})")
        return samples

    def _open(self, where: str) -> soundfile.SoundFile:
        if where.endswith("|"):
            raise ValueError("a `command |` entry: pack the recordings (steps/pack_audio.py --allow-pipes)")
        if not os.path.exists(where):
            raise ValueError("no such file: mend the path, or take the line out and run utils/fix_data_dir.sh")
        try:
            file = soundfile.SoundFile(where)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{error.error_string}: pack the recordings (steps/pack_audio.py)") from None
        if file.channels != 1 or file.samplerate != self.sample_rate:
            found = f"{file.channels} channels, {file.samplerate} Hz"
            file.close()
            raise ValueError(
                f"{found}, expected mono of {self.sample_rate} Hz: pack the recordings (steps/pack_audio.py)"
            )
        return file

    def _error(self, i: int, error: Exception) -> RecipeError:
        reason = str(error) or type(error).__name__
        if isinstance(error, FileNotFoundError):
            reason = "no such file: mend the path, or take the line out and run utils/fix_data_dir.sh"
        return RecipeError(f"{place_of(self.scp, i, self.ids[i])}: {self.ids[i]}: {reason} ({self.where[i]})")


class KeptRecordings(Recordings):
    """Recordings that are read once and kept in memory, for few clips of which many crops are taken.

    To open a file and to close it takes longer than to read a crop of it.
    """

    def __init__(self, data_dir: str | Path, sample_rate: int = 16000):
        super().__init__(data_dir, sample_rate)
        self.kept: dict[int, Array] = {}

    def read(self, i: int, start: int = 0, num: int | None = None) -> Array:
        """See Recordings.read."""
        if i not in self.kept:
            self.kept[i] = super().read(i)
        return self.kept[i][start : None if num is None else start + num]


def read_samples(file: soundfile.SoundFile, start: int, wanted: int) -> Array:
    """The next `wanted` samples. Memory follows what is there, not what the header says: that may be 64 GiB.

    Raises:
        ValueError: the file ends earlier.
    """
    parts: list[Array] = []
    done = 0
    while done < wanted:
        try:
            parts.append(to_int16(file, min(wanted - done, PART)))
        except soundfile.LibsndfileError as error:
            raise ValueError(
                f"cut short or damaged: {error.error_string.strip('. ')}: mend it, or take it out"
            ) from None
        done += len(parts[-1])
        if not len(parts[-1]):
            raise ValueError(f"cut short: {start + done} samples of {start + wanted} are there")
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.int16), *parts])


def to_int16(file: soundfile.SoundFile, count: int) -> Array:
    """The next samples of a mono file. Wider ones are scaled and rounded: libsndfile would cut 0.9 to 0.

    An Ogg file is read as floats too. As 16 bits, what exceeds full scale would wrap around to the other sign.
    """
    if file.subtype in OGG_SUBTYPES:
        return float_to_int16(file.read(count, dtype="float32") * OGG_SCALE)
    if file.subtype not in WIDE:
        samples: Array = file.read(count, dtype="int16")
        return samples
    return float_to_int16(file.read(count, dtype="float64"))


def float_to_int16(samples: Array) -> Array:
    """Samples of full scale 1 as int16; what lies above full scale is clipped."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def read_crops(recordings: Recordings, i: int, places: list[float], crops: list[Array]) -> None:
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
        part = recordings.read(i, start, wanted) if stretch is None else stretch[start - first :][:wanted]
        if len(part) < wanted:
            raise RecipeError(
                f"{place_of(recordings.scp, i, recordings.ids[i])}: {recordings.ids[i]}: it ends before the {length} "
                "samples that it should have: run steps/pack_audio.py again"
            )
        crop[:] = part if wanted == len(crop) else np.resize(part, len(crop))


def packed_wav(samples: Array, sample_rate: int) -> bytes:
    """A 16-bit mono WAV with the shortest header, 44 bytes: what stands in an ark after an id and a blank."""
    return packed_header(len(samples), sample_rate) + samples.astype("<i2", copy=False).tobytes()


def packed_header(count: int, sample_rate: int) -> bytes:
    """The 44 bytes before `count` samples of a packed WAV.

    Raises:
        ValueError: more samples than a WAV can have.
    """
    size = 2 * count
    if size > 0xFFFFFFFF - HEADER:
        raise ValueError(f"{count / sample_rate / 3600:.0f} hours are too long for one utterance: use --cut-above")
    riff = struct.pack("<4sI4s", b"RIFF", size + HEADER - 8, b"WAVE")
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return riff + form + struct.pack("<4sI", b"data", size)


def packed_length(ark: str, offset: int) -> int:
    """Number of samples of the 16-bit mono WAV that starts at `offset` of an ark."""
    header = os.pread(open_file(ark), HEADER, offset).ljust(HEADER, b"\0")
    if header[:4] != b"RIFF" or header[20:24] != b"\1\0\1\0" or header[34:40] != b"\x10\0data":
        raise ValueError("no 16-bit mono WAV at this place of the ark: run steps/pack_audio.py again")
    return int(struct.unpack("<I", header[40:44])[0]) // 2


@functools.lru_cache(maxsize=512)
def open_file(path: str) -> int:
    """A file descriptor for positioned reads; shared by forked workers, closed with the process."""
    return os.open(path, os.O_RDONLY)
