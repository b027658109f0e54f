"""Is a file whole? Every container that says so, at full length and with bytes cut off its end."""

import struct

import av
import numpy as np
import pytest
import soundfile

from dlglc.data.wholeness import TOLERATED, check_whole, ends_as_declared, frame_length

RATE = 16000
TONE = (12000 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)).astype(np.int16)
SOUND = [
    *[("a.wav", None, None), ("a.aiff", None, None), ("a.au", None, None), ("a.caf", None, None)],
    *[("a.w64", None, None), ("a.rf64", "RF64", None), ("a.sph", "NIST", None), ("a.ogg", "OGG", "VORBIS")],
    *[("a.opus", "OGG", "OPUS"), ("a.mp3", "MP3", None)],
]
FFMPEG = [("a.m4a", "aac", RATE), ("a.webm", "libopus", 48000), ("a.mov", "aac", RATE)]


def encode(path, codec, rate):
    with av.open(path, "w") as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(stream.format.name, "mono", rate, stream.frame_size or None)
        frame = av.AudioFrame.from_ndarray(TONE[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            out.mux(stream.encode(part))


@pytest.fixture(params=[*SOUND, *FFMPEG], ids=lambda kind: kind[0])
def path(request, tmp_path):
    """A whole file of each container."""
    name, form, subtype = request.param
    if request.param in FFMPEG:
        encode(tmp_path / name, form, subtype)
    else:
        soundfile.write(tmp_path / name, TONE, RATE, format=form, subtype=subtype)
    return tmp_path / name


def test_a_whole_file_is_whole(path):
    assert check_whole(str(path)) is False


def test_a_file_of_which_a_third_is_missing_is_cut_short(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: 2 * len(whole) // 3])
    try:
        assert check_whole(str(path))  # doubtful, where the container has nothing to prove it by
    except ValueError as error:
        assert str(error).startswith("cut short: ")


def test_sizes_that_are_wrong_by_a_header_are_tolerated(tmp_path):
    soundfile.write(tmp_path / "a.wav", TONE, RATE)
    whole = (tmp_path / "a.wav").read_bytes()
    for missing, fails in ((TOLERATED, False), (TOLERATED + 2, True)):
        (tmp_path / "a.wav").write_bytes(whole[:-missing])
        if fails:
            with pytest.raises(ValueError, match=f"cut short: {len(whole) - missing} of {len(whole)} bytes are there"):
                check_whole(str(tmp_path / "a.wav"))
        else:
            check_whole(str(tmp_path / "a.wav"))


@pytest.mark.parametrize(("claimed", "doubtful"), [(0xFFFFFFFF, False), (0x7FFFFFFF, False), (0, True)])
def test_a_wav_that_was_written_to_a_pipe_does_not_know_its_size(tmp_path, claimed, doubtful):
    soundfile.write(tmp_path / "a.wav", TONE, RATE)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    at = content.index(b"data")
    content[at + 4 : at + 8] = struct.pack("<I", claimed)
    (tmp_path / "a.wav").write_bytes(content)
    assert check_whole(str(tmp_path / "a.wav")) == doubtful


def test_what_is_no_audio_is_not_judged(tmp_path):
    for content in (b"", b"short", b"some text that is long enough", bytes(100)):
        (tmp_path / "a.wav").write_bytes(content)
        assert check_whole(str(tmp_path / "a.wav")) is False


def test_files_that_are_joined_are_recognised(tmp_path):
    soundfile.write(tmp_path / "a.mp3", TONE, RATE)
    one = (tmp_path / "a.mp3").read_bytes()
    assert ends_as_declared(str(tmp_path / "a.mp3"))
    (tmp_path / "a.mp3").write_bytes(one + one)
    assert not ends_as_declared(str(tmp_path / "a.mp3"))


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"\xff\xfb\x90\x00", 417),  # MPEG 1, layer 3, 128 kbit/s, 44.1 kHz
        (b"\xff\xfb\x92\x00", 418),  # with padding
        (b"\xff\xf3\x40\x00", 104),  # MPEG 2, layer 3, 32 kbit/s, 22.05 kHz
        (b"\xff\xfd\x90\x00", 522),  # MPEG 1, layer 2, 160 kbit/s
        (b"ID3\x04", 0),
        (b"\xff\xfb\xf0\x00", 0),
        (b"\0\0\0\0", 0),
    ],
)
def test_the_length_of_a_frame(head, length):
    assert frame_length(head) == length
