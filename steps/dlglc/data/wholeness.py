"""Is an audio file whole? What its container says of its size, against the bytes that are there.

Decoders are no help here: most of them read what there is of a file that was cut, and are content.
"""

import os
import re
import struct
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

STREAMED = 0x7FFFF000  # bytes: a WAV that was written to a pipe claims as many, or more
UNKNOWN = 1 << 60  # bytes: a size of this order is none
TOLERATED = 64  # bytes that may be missing: some programs write sizes that are wrong by the length of a header
# kbit/s of the frames of MPEG audio, by (MPEG version 1?, layer); the index 0 is "free", which nobody uses
BITRATES = {
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


class Ending(NamedTuple):
    """How a file ends.

    Attributes:
        end: place in bytes up to which the container has samples, by its own words; None where it does not say.
        doubtful: True if something speaks against its being whole, without proof.
    """

    end: int | None = None
    doubtful: bool = False


def check_whole(path: str) -> bool:
    """Compare a file with what its container says.

    Returns:
        True if the file is perhaps not whole: no end mark, an unfinished header, half a frame at the end.

    Raises:
        ValueError: bytes are missing.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        found = ending_of(file, size)
    if found.end is not None and size + TOLERATED < found.end < UNKNOWN:
        raise ValueError(f"cut short: {size} of {found.end} bytes are there")
    return found.doubtful


def ending_of(file: BinaryIO, size: int) -> Ending:
    """The end of a file by its container's own words."""
    head = file.read(12)
    if len(head) < 12:
        return Ending()
    kinds: list[tuple[bool, Callable[[BinaryIO, int], Ending]]] = [
        (head[:4] in (b"RIFF", b"RF64", b"FORM", b"caff", b"riff"), end_of_chunks),
        (head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"), end_of_boxes),
        (head[:4] == b".snd", end_of_au),
        (head[:7] == b"NIST_1A", end_of_nist),
        (head[:4] == b"OggS", end_of_ogg),
        (head[:4] == b"\x1aE\xdf\xa3", end_of_matroska),
        (head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1] & 0xE6 in (0xE2, 0xE4)), end_of_mpeg),
    ]
    return next((find(file, size) for fits, find in kinds if fits), Ending())


def end_of_chunks(file: BinaryIO, size: int) -> Ending:
    """WAV, RF64, AVI, AIFF, CAF, Sony Wave64: the chunk that holds the samples."""
    file.seek(0)
    head = file.read(12)
    wave64 = head[:4] == b"riff"
    at, form, align = {b"FORM": (12, ">4sI", 2), b"caff": (8, ">4sq", 1), b"riff": (40, "<16sQ", 8)}.get(
        head[:4], (12, "<4sI", 2)
    )
    large = 0  # size of the samples of an RF64
    while at + struct.calcsize(form) <= size:
        file.seek(at)
        name, length = struct.unpack(form, file.read(struct.calcsize(form)))
        inside = file.read(16)
        if wave64:
            length -= 24
        start = at + struct.calcsize(form)
        if name == b"ds64" and len(inside) == 16:
            large = struct.unpack("<Q", inside[8:16])[0]
        elif name[:4] in (b"data", b"SSND") or (name == b"LIST" and inside[:4] == b"movi"):
            if name == b"data" and large and length >= STREAMED:
                length = large
            elif length <= 0 or (not wave64 and head[:4] != b"caff" and length >= STREAMED):
                return Ending(doubtful=length == 0)
            return Ending(start + length)
        if length < 0 or not name[:4].isascii():
            break
        at = start + length + -length % align
    return Ending()


def end_of_boxes(file: BinaryIO, size: int) -> Ending:
    """MP4, M4A, MOV, 3GP: the boxes that hold samples."""
    at = end = 0
    while at + 8 <= size:
        file.seek(at)
        length, name = struct.unpack(">I4s", file.read(8))
        if length == 1:
            length = int.from_bytes(file.read(8), "big")
        if length < 8 or not name.isascii():
            break
        if name == b"mdat":
            end = at + length
        at += length
    return Ending(end or None)


def end_of_au(file: BinaryIO, size: int) -> Ending:
    """Sun's AU."""
    file.seek(4)
    start, length = struct.unpack(">II", file.read(8))
    return Ending(None if length == 0xFFFFFFFF else start + length)


def end_of_nist(file: BinaryIO, size: int) -> Ending:
    """NIST SPHERE, unless it is compressed."""
    file.seek(0)
    text = file.read(1024).decode("latin-1")
    fields = {name: int(value) for name, value in re.findall(r"^(\w+) -i (\d+)", text, re.MULTILINE)}
    length = text.split("\n")[1].strip() if "\n" in text else ""
    if "embedded" in text or not length.isdigit() or "sample_count" not in fields:
        return Ending()
    sample = 1 if re.search(r"^sample_coding -s\d+ (ulaw|alaw|mu-law)", text, re.MULTILINE) else 2
    width = fields.get("channel_count", 1) * (sample if sample == 1 else fields.get("sample_n_bytes", 2))
    return Ending(int(length) + width * fields["sample_count"])


def end_of_ogg(file: BinaryIO, size: int) -> Ending:
    """Ogg: the last page (RFC 3533, section 6). Some voice messages have no mark of the end on it."""
    first = max(0, size - (1 << 17))  # a page has 65,307 bytes at most
    file.seek(first)
    tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0:
        return Ending(doubtful=True)
    segments = tail[at + 26] if len(tail) > at + 26 else 255
    lengths = tail[at + 27 : at + 27 + segments]
    end = at + 27 + segments + sum(lengths)
    if len(lengths) < segments or end > len(tail):
        return Ending(first + end + TOLERATED)  # half a page is lost, which is never little
    return Ending(first + end, doubtful=not tail[at + 5] & 4)


def end_of_matroska(file: BinaryIO, size: int) -> Ending:
    """Matroska and WebM: the segment, where its size was known to the writer."""

    def number(keep_mark: bool) -> int:
        first = file.read(1)[0]
        more = 8 - first.bit_length()
        value = int.from_bytes(bytes([first]) + file.read(more), "big")
        return value if keep_mark else value & ((1 << 7 * (more + 1)) - 1)

    try:
        file.seek(4)
        header = number(False)
        file.seek(header, os.SEEK_CUR)
        if number(True) != 0x18538067:
            return Ending()
        start = file.tell()
        length = number(False)
        width = file.tell() - start
    except IndexError:
        return Ending()
    return Ending(None if length == (1 << 7 * width) - 1 else start + width + length)


def end_of_mpeg(file: BinaryIO, size: int) -> Ending:
    """MP3 and MP2: the size in the Xing header of a file, or else its last frame."""
    start = after_id3(file)
    end = xing_end(file, start)
    if end is not None:
        return Ending(end)
    at = start
    while at + 4 <= size:
        file.seek(at)
        length = frame_length(file.read(4))
        if not length:  # a tag, or something that no frame is
            return Ending()
        at += length
    return Ending(doubtful=at != size)


def ends_as_declared(path: str) -> bool:
    """True if a header in the first frame of an MP3 says where it ends, and no frame follows there.

    Some hosts of podcasts put several files one behind the other, of which the first header knows nothing.
    """
    with open(path, "rb") as file:
        end = xing_end(file, after_id3(file))
        if end is None:
            return False
        file.seek(after_id3(file, end))
        return not frame_length(file.read(4).ljust(4, b"\0"))


def after_id3(file: BinaryIO, at: int = 0) -> int:
    """Where the frames begin: after an ID3v2 tag, if there is one at this place."""
    file.seek(at)
    head = file.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return at
    length = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]
    return at + 10 + length + (10 if head[5] & 0x10 else 0)


def xing_end(file: BinaryIO, start: int) -> int | None:
    """End of an MP3 by the header in its first frame (Xing, Info or VBRI); None where it has none."""
    file.seek(start)
    head = file.read(256)
    found = re.search(rb"(Xing|Info)(....)|VBRI......", head, re.DOTALL)
    flags = int.from_bytes(found[2] or b"\2", "big") if found else 0
    if not found or not flags & 2:
        return None
    at = found.end() + (4 if flags & 1 else 0)
    length = int.from_bytes(head[at : at + 4], "big")
    return start + length if length else None


def frame_length(head: bytes) -> int:
    """Bytes of a frame of MPEG audio, layer 2 or 3, by its first four bytes; 0 where that is no such frame."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (head[1] >> 3) & 3, 4 - ((head[1] >> 1) & 3)
    bits, rate = head[2] >> 4, (head[2] >> 2) & 3
    if version == 1 or layer not in (2, 3) or bits in (0, 15) or rate == 3:
        return 0
    hertz = (44100, 48000, 32000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    factor = 144 if layer == 2 or version == 3 else 72
    return factor * 1000 * BITRATES[version == 3, layer][bits] // hertz + ((head[2] >> 1) & 1)
