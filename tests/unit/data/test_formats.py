"""Every format is read whole and at its level; what is cut or damaged is named; what is only odd is read."""

import struct

import av
import numpy as np
import pytest
import soundfile

from dlglc.data.decode import AudioFile
from support.audio_files import FORMS, HIGH, LOW, WITHOUT_LENGTH, encode, packets, streamed, tones, write_form


def read(path):
    """Format, samples, and whether the file is perhaps not whole."""
    with AudioFile(str(path)) as file:
        samples = np.concatenate(list(file.blocks()))
        assert samples.dtype == np.float32
        assert samples.shape[1] == file.format.channels
        return file.format, samples, file.doubtful


def level_at(samples, rate, hertz):
    """Amplitude of a tone in the middle second of a channel."""
    middle = samples[len(samples) // 2 - rate // 2 :][:rate].astype(np.float64)
    return abs(np.fft.rfft(middle * np.hanning(rate))[int(hertz)]) * 4 / rate


@pytest.mark.parametrize("name", FORMS)
def test_every_format_is_read_whole_and_at_its_level(tmp_path, name):
    form = FORMS[name]
    found, samples, doubtful = read(write_form(tmp_path / f"a.{form.ending}", name))
    assert (found.rate, found.channels) == (form.rate, form.channels)
    assert not doubtful
    assert len(samples) / form.rate == pytest.approx(2.0, abs=0.12)
    assert found.seconds == pytest.approx(2.0, abs=0.12)
    slack = 0.6 if name in ("gsm", "amr") else 0.05  # codecs that model a voice
    for channel in samples.T:
        assert level_at(channel, form.rate, LOW) == pytest.approx(0.24, rel=slack)
        assert level_at(channel, form.rate, HIGH) == pytest.approx(0.06, rel=slack)


@pytest.mark.parametrize(
    ("name", "step"),
    [("pcm16", 2**-15), ("pcm8", 2**-7), ("float", 2**-24), ("aiff float", 2**-24), ("caf", 2**-15), ("flac", 2**-15)],
)
def test_samples_are_those_that_were_written(tmp_path, name, step):
    samples = tones(1.0, 16000, 0.9)
    _, found, _ = read(write_form(tmp_path / f"a.{FORMS[name].ending}", name, samples=samples))
    np.testing.assert_allclose(found[:, 0], samples, atol=step)


@pytest.mark.parametrize("share", [0.4, 0.9])
@pytest.mark.parametrize("name", [name for name in FORMS if name not in WITHOUT_LENGTH])
def test_a_file_that_was_cut_is_named(tmp_path, name, share):
    path = write_form(tmp_path / f"a.{FORMS[name].ending}", name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"cut short|damaged"):
        read(path)


def test_half_a_frame_at_the_end_is_a_doubt(tmp_path):
    """Where no header says how long a file is: an MP2, and an MP3 as programs of old write it."""
    encode(tmp_path / "a.mp3", tones(2.0, 44100), 44100, 1, "libmp3lame", "mp3", write_xing="0")
    for path in (write_form(tmp_path / "a.mp2", "mp2"), tmp_path / "a.mp3"):
        assert not read(path)[2]
        path.write_bytes(path.read_bytes()[:-100])
        found, samples, doubtful = read(path)
        assert doubtful
        assert len(samples) / found.rate == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", ["vorbis", "opus", "mp3", "mp3 of speech"])
def test_what_exceeds_full_scale_does_not_wrap_around(tmp_path, name):
    """libsndfile's 16 bits of a hot Ogg file have loud samples of the wrong sign."""
    form = FORMS[name]
    hot = np.clip(3 * tones(2.0, form.rate, 0.9), -1, 1)  # lossy codecs overshoot at such edges
    _, samples, _ = read(write_form(tmp_path / f"a.{form.ending}", name, samples=hot))
    assert abs(samples).max() > 1
    length = form.rate // 2
    fits = [np.dot(hot[2000 : 2000 + length], samples[2000 + delay :, 0][:length]) for delay in range(1200)]
    one, other = hot[2000 : 2000 + length], samples[2000 + int(np.argmax(fits)) :, 0][:length]
    loud = abs(one) > 0.5
    assert np.mean(np.sign(other[loud]) == np.sign(one[loud])) > 0.999


@pytest.mark.parametrize("name", ["vorbis", "opus"])
def test_ogg_has_the_level_that_libsndfiles_16_bits_have(tmp_path, name):
    path = write_form(tmp_path / f"a.{FORMS[name].ending}", name)
    whole = soundfile.read(path, dtype="int16", always_2d=True)[0]
    np.testing.assert_array_equal(np.rint(read(path)[1] * 32768), whole)


@pytest.mark.parametrize("name", ["mp3", "m4a", "webm", "flac", "opus", "sphere", "mov"])
def test_a_wrong_ending_does_no_harm(tmp_path, name):
    found, samples, _ = read(write_form(tmp_path / f"a.{FORMS[name].ending}", name).rename(tmp_path / "a.wav"))
    assert level_at(samples[:, 0], found.rate, LOW) == pytest.approx(0.24, rel=0.05)


@pytest.mark.parametrize(
    ("place", "more"),
    [(4, 8), (4, -8), (4, None), (40, 40)],
    ids=["RIFF counts its header", "RIFF forgets it", "no RIFF size", "40 bytes too many"],
)
def test_sizes_that_programs_write_wrong_lose_no_file(tmp_path, place, more):
    path = write_form(tmp_path / "a.wav", "pcm16")
    content = bytearray(path.read_bytes())
    size = struct.unpack_from("<I", content, place)[0]
    struct.pack_into("<I", content, place, 0 if more is None else size + more)
    path.write_bytes(content)
    _, samples, doubtful = read(path)
    assert len(samples) == 32000
    assert not doubtful


def test_a_recording_whose_header_was_never_finished_is_read(tmp_path):
    path = write_form(tmp_path / "a.wav", "pcm16")
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 40, 0)
    path.write_bytes(content)
    _, samples, doubtful = read(path)
    assert len(samples) == 32000
    assert doubtful


def test_tags_behind_the_samples_may_be_cut(tmp_path):
    path = write_form(tmp_path / "a.wav", "pcm16")
    path.write_bytes(path.read_bytes() + b"LIST" + struct.pack("<I", 400) + b"INFOand so on")
    assert len(read(path)[1]) == 32000


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        *[("flac", "flac", 16000), ("wav", "pcm_s16le", 16000), ("w64", "pcm_s16le", 16000)],
        *[("aiff", "pcm_s16be", 16000), ("au", "pcm_s16be", 16000), ("caf", "pcm_s16be", 16000)],
        *[("mp3", "libmp3lame", 44100), ("ogg", "libopus", 48000), ("webm", "libopus", 48000), ("adts", "aac", 44100)],
    ],
)
def test_files_that_were_written_to_a_pipe_are_whole(tmp_path, container, codec, rate):
    (tmp_path / "a.bin").write_bytes(streamed(tones(2.0, rate), rate, codec, container))
    found, samples, doubtful = read(tmp_path / "a.bin")
    assert len(samples) / rate == pytest.approx(2.0, abs=0.1)
    assert level_at(samples[:, 0], rate, LOW) == pytest.approx(0.24, rel=0.05)
    assert found.seconds == 0 or found.seconds == pytest.approx(2.0, abs=0.1)
    assert doubtful == (container == "aiff")  # its size is 0 then, as in a header that was never finished


def test_an_mp4_in_fragments(tmp_path):
    content = streamed(tones(2.0, 44100), 44100, "aac", "mp4", movflags="frag_keyframe+empty_moov")
    (tmp_path / "a.m4a").write_bytes(content)
    assert len(read(tmp_path / "a.m4a")[1]) / 44100 == pytest.approx(2.0, abs=0.1)
    (tmp_path / "a.m4a").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cut short"):
        read(tmp_path / "a.m4a")


def test_an_ogg_without_a_mark_of_its_end_is_read_and_one_with_half_a_page_is_not(tmp_path):
    """Some messengers forget the mark."""
    content = write_form(tmp_path / "a.opus", "opus").read_bytes()
    last = content.rfind(b"OggS")
    (tmp_path / "a.opus").write_bytes(content[:last])
    _, samples, doubtful = read(tmp_path / "a.opus")
    assert doubtful
    assert len(samples) > 48000
    for end in (last + 20, last + 200):
        (tmp_path / "a.opus").write_bytes(content[:end])
        with pytest.raises(ValueError, match="cut short"):
            read(tmp_path / "a.opus")


def mp3_bytes(tmp_path, samples, bit_rate, xing="1"):
    """An MP3 of constant bit rate, with or without the header in its first frame."""
    with av.open(str(tmp_path / "part.mp3"), "w", format="mp3", options={"write_xing": xing}) as out:
        stream = out.add_stream("libmp3lame", rate=44100, layout="mono")
        stream.codec_context.bit_rate = bit_rate
        for packet in packets(stream, samples, 44100, 1):
            out.mux(packet)
    return (tmp_path / "part.mp3").read_bytes()


def test_mp3_files_one_behind_the_other_are_read_to_the_end(tmp_path):
    part = mp3_bytes(tmp_path, tones(4.0, 44100), 64000)
    (tmp_path / "a.mp3").write_bytes(2 * part)
    assert len(read(tmp_path / "a.mp3")[1]) / 44100 == pytest.approx(8.0, abs=0.2)
    (tmp_path / "a.mp3").write_bytes(part + b"TAG" + bytes(125))
    assert len(read(tmp_path / "a.mp3")[1]) / 44100 == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("rates", [(32000, 256000), (256000, 32000)])
def test_an_mp3_of_changing_bit_rate_without_a_header_is_whole(tmp_path, rates):
    """libsndfile guesses its length from the first frames, and is wrong by a factor."""
    parts = [mp3_bytes(tmp_path, tones(4.0, 44100), rate, xing="0") for rate in rates]
    (tmp_path / "a.mp3").write_bytes(b"".join(parts))
    _, samples, doubtful = read(tmp_path / "a.mp3")
    assert len(samples) / 44100 == pytest.approx(8.0, abs=0.3)
    assert not doubtful


@pytest.mark.parametrize(("container", "codec", "rate"), [("matroska", "libopus", 48000), ("mp4", "aac", 44100)])
def test_the_sound_of_a_video_may_end_before_its_picture(tmp_path, container, codec, rate):
    with av.open(str(tmp_path / "a.bin"), "w", format=container) as out:
        video = out.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        sound = out.add_stream(codec, rate=rate, layout="mono")
        for number in range(50):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 5 * number, np.uint8), "rgb24")
            picture.pts = number
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        for packet in packets(sound, tones(2.0, rate), rate, 1):
            out.mux(packet)
    found, samples, _ = read(tmp_path / "a.bin")
    assert (found.rate, found.channels) == (rate, 1)
    assert len(samples) / rate == pytest.approx(2.0, abs=0.1)


def test_an_unknown_codec_is_named(tmp_path):
    content = write_form(tmp_path / "a.webm", "webm").read_bytes()
    (tmp_path / "a.webm").write_bytes(content.replace(b"A_OPUS", b"A_OPXS"))
    with pytest.raises(ValueError, match="does not know its codec"):
        read(tmp_path / "a.webm")


def test_a_recording_with_a_gap_is_whole(tmp_path):
    """A phone that pauses writes no samples for the pause, and the end comes later than the samples say."""
    with av.open(str(tmp_path / "a.mka"), "w", format="matroska") as out:
        sound = out.add_stream("libopus", rate=48000, layout="mono")
        for packet in packets(sound, tones(2.0, 48000), 48000, 1):
            if packet.pts and packet.pts > 48000:
                packet.pts, packet.dts = packet.pts + 5 * 48000, packet.dts + 5 * 48000
            out.mux(packet)
    found, samples, _ = read(tmp_path / "a.mka")
    assert found.seconds == pytest.approx(7.0, abs=0.1)
    assert len(samples) / 48000 == pytest.approx(2.0, abs=0.1)


def test_a_stream_may_change_its_rate_and_channels(tmp_path):
    for name, rate, channels in (("one", 44100, 1), ("two", 48000, 2)):
        encode(tmp_path / name, tones(2.0, rate), rate, channels, "aac", "adts")
    (tmp_path / "a.aac").write_bytes((tmp_path / "one").read_bytes() + (tmp_path / "two").read_bytes())
    found, samples, _ = read(tmp_path / "a.aac")
    assert (found.rate, found.channels) == (44100, 1)
    assert len(samples) / 44100 == pytest.approx(4.0, abs=0.1)
    second = samples[-88200:, 0]  # the sum of its two channels is louder
    assert level_at(second, 44100, HIGH) / level_at(second, 44100, LOW) == pytest.approx(0.25, rel=0.05)


def test_a_few_damaged_packets_are_left_out_and_many_are_not(tmp_path):
    encode(tmp_path / "a.aac", tones(10.0, 44100), 44100, 1, "aac", "adts")
    content = bytearray((tmp_path / "a.aac").read_bytes())
    starts = [i for i in range(len(content) - 1) if content[i : i + 2] == b"\xff\xf1"]
    for start in starts[100:102]:
        content[start + 7 : start + 40] = b"\xff" * 33
    (tmp_path / "a.aac").write_bytes(content)
    assert len(read(tmp_path / "a.aac")[1]) / 44100 == pytest.approx(10.0, abs=0.2)
    for start in starts[50:-50:2]:
        content[start + 7 : start + 40] = b"\xff" * 33
    (tmp_path / "a.aac").write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged: \d+ of \d+ packets"):
        read(tmp_path / "a.aac")


def test_damage_in_the_middle_of_a_flac_is_named(tmp_path):
    noise = 0.3 * np.random.default_rng(0).standard_normal(400_000).clip(-3, 3)
    path = write_form(tmp_path / "a.flac", "flac", samples=noise)
    content = bytearray(path.read_bytes())
    place = 9 * len(content) // 10
    content[place : place + 3000] = bytes(3000)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cut short or damaged after 16 s"):
        read(path)


def test_tags_in_an_old_encoding_do_no_harm(tmp_path):
    with av.open(str(tmp_path / "a.mka"), "w", format="matroska") as out:
        out.metadata["title"] = "ABCDABCD"
        sound = out.add_stream("libopus", rate=48000, layout="mono")
        for packet in packets(sound, tones(2.0, 48000), 48000, 1):
            out.mux(packet)
    content = (tmp_path / "a.mka").read_bytes()
    assert b"ABCDABCD" in content
    (tmp_path / "a.mka").write_bytes(content.replace(b"ABCDABCD", "안녕하세".encode("cp949")))
    assert len(read(tmp_path / "a.mka")[1]) == pytest.approx(96000, abs=4000)
