"""Recordings as people have them: two channels of opposite phase, very quiet ones, other places than a file."""

import os
import shutil
import tracemalloc

import numpy as np
import pytest
import soundfile

from dlglc.data.decode import AudioFile
from dlglc.data.intake import Intake, gain_for
from support.audio_files import FORMS, encode, tones, unprivileged, write_form

NOISE = np.random.default_rng(0).normal(0, 0.1, 32000)


@pytest.fixture
def take(tmp_path):
    """take(samples, subtype=…, rate=…, channel=…) → what the intake makes of them as a WAV."""
    intake = Intake(16000, tmp_path, allow_pipes=True)

    def write_and_take(samples, subtype="PCM_16", rate=16000, channel=None):
        soundfile.write(tmp_path / "a.wav", samples, rate, subtype=subtype)
        return intake.take(str(tmp_path / "a.wav"), channel)

    write_and_take.intake = intake
    return write_and_take


def test_nearly_opposite_channels_are_not_mixed_to_what_is_left_of_them(take):
    other = -0.97 * NOISE + np.random.default_rng(1).normal(0, 1e-3, 32000)
    found = take(np.stack([other, NOISE], 1), "PCM_24")
    assert found.notes == ["opposite-phase"]
    np.testing.assert_allclose(found.samples[:], NOISE, atol=1e-6)  # the louder one


@pytest.mark.parametrize("channels", [2, 8])
def test_one_channel_that_speaks_is_mixed(take, channels):
    """As in a call of which one side listens, or a microphone in one of eight inputs."""
    samples = np.zeros((32000, channels))
    samples[:, -1] = NOISE
    assert take(samples).notes == ["mixed"]


def test_a_silent_channel_is_silent_though_the_other_speaks(take):
    samples = np.stack([NOISE, np.zeros(32000)], 1)
    assert take(samples, channel=0).notes == ["split"]
    with pytest.raises(ValueError, match="silent"):
        take(samples, channel=1)


@pytest.mark.parametrize(("peak", "subtype"), [(2**-13, "PCM_24"), (3e-5, "PCM_24"), (1e-5, "FLOAT"), (3e-6, "DOUBLE")])
def test_a_quiet_recording_of_many_bits_is_not_silent(take, peak, subtype):
    """Floats of 1e-5 are samples that somebody has divided by 32768 twice."""
    found = take(peak * NOISE / abs(NOISE).max(), subtype)
    gain, note = gain_for(found.samples, found.exact)
    assert note == "scaled-up"
    np.testing.assert_allclose(gain * found.samples[:], 0.1 * NOISE / abs(NOISE).max(), atol=2e-3)


@pytest.mark.parametrize(("level", "subtype"), [(2**-15, "PCM_16"), (1e-8, "FLOAT"), (0.0, "PCM_24")])
def test_next_to_nothing_is_silent(take, level, subtype):
    with pytest.raises(ValueError, match="silent"):
        take(level * np.sign(NOISE), subtype)


def test_an_offset_alone_is_silent_and_speech_on_an_offset_is_not(take):
    with pytest.raises(ValueError, match="silent"):
        take(np.full(32000, 0.25))
    assert take(0.25 + NOISE).notes == ["dc-offset"]


def test_floats_as_large_as_integers_are_scaled_down(take):
    found = take(32768 * NOISE, "FLOAT")
    assert found.notes == ["above-full-scale"]
    gain, note = gain_for(found.samples, found.exact)
    assert note == "scaled-down"
    assert 0.99 < abs(gain * found.samples[:]).max() < 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_counted(take, bad):
    samples = NOISE.copy()
    samples[[5, 700, 31999]] = bad
    with pytest.raises(ValueError, match="3 samples are NaN or infinite"):
        take(samples, "FLOAT")


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2)])
def test_memory_does_not_grow_with_the_length(take, rate, channels):
    """Peak memory of ten minutes is that of one minute."""
    peaks = []
    for minutes in (1, 10):
        take(np.repeat(np.tile(NOISE, rate * 60 * minutes // 32000)[:, None], channels, 1), rate=rate)
        tracemalloc.start()
        found = take.intake.take(str(take.intake.spool_dir / "a.wav"))
        gain_for(found.samples, found.exact)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_recording_that_was_taken_is_there_until_the_next(take):
    long, short = take(NOISE), None
    np.testing.assert_allclose(long.samples[:], NOISE, atol=2**-15)
    short = take(NOISE[:4000])
    assert len(short.samples) == 4000
    np.testing.assert_allclose(short.samples[:], NOISE[:4000], atol=2**-15)


@pytest.mark.parametrize("name", ["m4a", "webm", "mp3", "opus", "flac24"])
def test_a_command_may_print_any_format(take, tmp_path, name):
    path = write_form(tmp_path / f"b.{FORMS[name].ending}", name)
    whole = take.intake.take(str(path))
    np.testing.assert_array_equal(take.intake.take(f"cat {path} |").samples[:], whole.samples[:])
    with pytest.raises(ValueError, match=r"cut short|no audio that can be read"):
        take.intake.take(f"head -c 9000 {path} |")
    assert list(tmp_path.iterdir()) == [path]  # what was printed does not stay


def test_commands_that_print_nothing_or_nonsense(take):
    for command, words in (("true |", "an empty file"), ("echo hello |", "it is a text file"), ("exit 3 |", "failed")):
        with pytest.raises(ValueError, match=words):
            take.intake.take(command)


def test_a_wav_of_any_kind_in_an_ark(take, tmp_path):
    """Kaldi's own tools write those that they are given, with any header."""
    form = write_form(tmp_path / "b.wav", "pcm24")
    (tmp_path / "b.ark").write_bytes(b"u0 " + form.read_bytes() + b"u1 RIFF")
    whole = take.intake.take(str(form))
    np.testing.assert_array_equal(take.intake.take(f"{tmp_path}/b.ark:3").samples[:], whole.samples[:])
    (tmp_path / "b.ark").write_bytes((b"u0 " + form.read_bytes())[:-1000])
    with pytest.raises(ValueError, match="cut short"):
        take.intake.take(f"{tmp_path}/b.ark:3")


def test_a_file_that_may_not_be_read():
    with unprivileged() as folder:
        write_form(folder / "a.wav", "pcm16")
        (folder / "a.wav").chmod(0)
        with pytest.raises(ValueError, match="it cannot be opened: Permission denied"):
            AudioFile(str(folder / "a.wav"))


def test_a_name_that_is_too_long(tmp_path):
    with pytest.raises(ValueError, match="it cannot be opened: File name too long"):
        AudioFile(str(tmp_path / f"{'x' * 300}.wav"))


TEXTS = ["hello\n" * 100, "안녕하세요\n" * 300, "<!DOCTYPE html><title>404</title>", "#EXTM3U\n#EXTINF:3,\na.wav\n"]


@pytest.mark.parametrize("text", TEXTS, ids=["text", "Hangul", "HTML", "playlist"])
def test_a_text_named_wav(tmp_path, text):
    write_form(tmp_path / "a.wav", "pcm16")
    (tmp_path / "text.wav").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="no audio that can be read, it is a text file"):
        AudioFile(str(tmp_path / "text.wav"))


def test_bytes_without_meaning(tmp_path):
    for content in (bytes(100_000), np.random.default_rng(0).bytes(300_000), b"\x89PNG\r\n\x1a\n" + bytes(500)):
        (tmp_path / "a.mp3").write_bytes(content)
        with pytest.raises(ValueError, match=r"no audio|damaged|it holds no"):
            list(AudioFile(str(tmp_path / "a.mp3")).blocks())


def test_a_name_that_looks_like_an_address(tmp_path, monkeypatch):
    encode(tmp_path / "a.m4a", tones(1.0, 16000), 16000, 1, "aac", "ipod")
    (tmp_path / "http:").mkdir()
    shutil.move(tmp_path / "a.m4a", tmp_path / "http:/a.m4a")
    monkeypatch.chdir(tmp_path)
    assert os.path.exists("http:/a.m4a")
    with AudioFile("http:/a.m4a") as file:
        assert file.format.codec == "aac"
