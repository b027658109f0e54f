"""Blocks of samples by libsndfile and by FFmpeg: every format there and back, and damage that is not passed over."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from dlglc.data.readers import FfmpegReader, Format, SoundReader, describe_content, open_reader

RATE = 16000
TONE = 0.4 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE).astype(np.float32)


def encode(path, codec, rate=RATE, container=None, channels=1):
    """Write the tone with FFmpeg."""
    with av.open(path, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono" if channels == 1 else "stereo")
        resampler = av.AudioResampler(stream.format.name, stream.layout.name, rate, stream.frame_size or None)
        samples = np.repeat(TONE[None], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=stream.layout.name)
        frame.sample_rate = RATE
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            out.mux(stream.encode(part))
    return str(path)


def samples_of(reader):
    return np.concatenate(list(reader.blocks()))


def has_the_tone(samples, rate=RATE):
    middle = samples[rate : 2 * rate, 0]
    return np.abs(np.fft.rfft(middle * np.hanning(rate))).argmax() == 440


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        *[("a.wav", "PCM_16", 4e-5), ("a.wav", "FLOAT", 0), ("a.wav", "PCM_24", 1e-6), ("a.wav", "ULAW", 0.02)],
        *[("a.flac", "PCM_16", 4e-5), ("a.aiff", "PCM_16", 4e-5), ("a.au", "PCM_16", 4e-5)],
    ],
)
def test_what_libsndfile_reads(tmp_path, name, subtype, tolerance):
    soundfile.write(tmp_path / name, np.stack([TONE, -TONE], 1), RATE, subtype=subtype)
    reader = open_reader(str(tmp_path / name))
    assert isinstance(reader, SoundReader)
    assert reader.format == Format(subtype, RATE, 2, 3.0)
    assert reader.format.wide == (subtype in ("FLOAT", "PCM_24"))
    np.testing.assert_allclose(samples_of(reader), np.stack([TONE, -TONE], 1), atol=tolerance)


@pytest.mark.parametrize(("name", "subtype"), [("a.mp3", "MPEG_LAYER_III"), ("a.ogg", "VORBIS"), ("a.ogg", "OPUS")])
def test_lossy_formats_keep_the_tone(tmp_path, name, subtype):
    soundfile.write(tmp_path / name, TONE, RATE, subtype=subtype)
    found = samples_of(open_reader(str(tmp_path / name)))
    assert len(found) == pytest.approx(len(TONE), abs=3000)
    assert has_the_tone(found)
    assert np.abs(found[RATE : 2 * RATE]).max() == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize(
    ("name", "codec", "channels"),
    [("a.m4a", "aac", 1), ("a.m4a", "aac", 2), ("a.webm", "libopus", 1), ("a.mka", "aac", 1)],
)
def test_what_ffmpeg_reads(tmp_path, name, codec, channels):
    rate = 48000 if codec == "libopus" else RATE
    reader = open_reader(encode(tmp_path / name, codec, rate, channels=channels))
    assert isinstance(reader, FfmpegReader)
    assert (reader.format.rate, reader.format.channels) == (rate, channels)
    found = samples_of(reader)
    assert found.dtype == np.float32 and found.shape[1] == channels
    assert len(found) / rate == pytest.approx(3, abs=0.2)
    assert has_the_tone(found, rate)


def test_a_cut_file_does_not_pass_for_a_short_one(tmp_path):
    whole = Path(encode(tmp_path / "a.m4a", "aac")).read_bytes()
    (tmp_path / "a.m4a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError):
        samples_of(open_reader(str(tmp_path / "a.m4a")))
    soundfile.write(tmp_path / "a.flac", TONE, RATE)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"cut short|damaged"):
        samples_of(open_reader(str(tmp_path / "a.flac")))


def test_damage_in_the_middle_is_not_passed_over(tmp_path):
    whole = bytearray(Path(encode(tmp_path / "a.m4a", "aac")).read_bytes())
    third = len(whole) // 3
    whole[third : 2 * third] = np.random.default_rng(0).bytes(third)
    (tmp_path / "a.m4a").write_bytes(whole)
    with pytest.raises(ValueError):
        samples_of(open_reader(str(tmp_path / "a.m4a")))


@pytest.mark.parametrize(("content", "words"), [(b"hello, world\n" * 40, "text file"), (bytes(range(256)) * 4, "")])
def test_what_is_no_audio_is_named(tmp_path, content, words):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert (words in describe_content(str(path))) if words else describe_content(str(path)) == ""
    with pytest.raises(ValueError, match=f"no audio that can be read.*{words}"):
        open_reader(str(path))


def test_a_video_without_sound_is_named(tmp_path):
    with av.open(tmp_path / "a.mp4", "w") as out:
        stream = out.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        out.mux(stream.encode(frame) + stream.encode(None))
    with pytest.raises(ValueError, match="no audio stream"):
        open_reader(str(tmp_path / "a.mp4"))
