"""The table `recordings` as counts: formats, changes, and reasons without their figures."""

import pytest

from dlglc.data.survey import describe_recordings, kind_of, read_recordings
from dlglc.errors import RecipeError

TABLE = """\
a usable 3600.00 44100 2 MPEG_LAYER_III mixed,resampled
b usable 1800.00 16000 1 PCM_16 -
c unusable 0.00 0 0 - no such file
d unusable 3.00 16000 1 PCM_16 cut short: 3.00 s of 9.00 s are there
e unusable 0.10 16000 1 PCM_16 0.10 s, under 0.2 s
f usable 1800.00 16000 1 PCM_16 clipped
"""


@pytest.fixture
def recordings(tmp_path):
    (tmp_path / "recordings").write_text(TABLE)
    return read_recordings(tmp_path / "recordings")


def test_a_line_is_a_recording(recordings):
    assert recordings[0] == (
        "a",
        True,
        3600.0,
        44100,
        2,
        "MPEG_LAYER_III",
        ["mixed", "resampled"],
        recordings[0].reason,
    )
    assert recordings[1].notes == []
    assert (recordings[2].usable, recordings[2].reason) == (False, "no such file")


def test_the_whole_in_words(recordings):
    assert describe_recordings(recordings)[0] == "3 of 6 recordings can be used, 2.00 hours"
    text = "\n".join(describe_recordings(recordings))
    for words in (
        *("formats: PCM_16 2, MPEG_LAYER_III 1", "sample rates: 16000 Hz 2, 44100 Hz 1", "channels: 1 2, 2 1"),
        *("1 channels mixed down", "1 resampled", "1 clipped"),
        *("1 cannot be used: no such file", "1 cannot be used: cut short", "1 cannot be used: too short"),
    ):
        assert words in text


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("cut short: 3.00 s of 9.00 s are there", "cut short"),
        ("cut short or damaged after 3.00 s: bad data", "cut short"),
        ("17 samples are NaN or infinite", "samples that are NaN or infinite"),
        ("0.10 s, under 0.2 s", "too short"),
        ("silent: no sample is above 0.0e+00 of full scale", "silent"),
        ("no audio that can be read (Format not recognised; FFmpeg: x)", "no audio that can be read"),
    ],
)
def test_like_reasons_are_counted_together(reason, kind):
    assert kind_of(reason) == kind


@pytest.mark.parametrize(
    "line", ["a", "a usable 1.0", "a perhaps 1.0 16000 1 PCM_16 -", "a usable long 16000 1 PCM_16 -"]
)
def test_lines_of_another_form_are_named(tmp_path, line):
    (tmp_path / "recordings").write_text(f"A usable 1.0 16000 1 PCM_16 -\n{line}\n")
    with pytest.raises(RecipeError, match=r"recordings:2: expected "):
        read_recordings(tmp_path / "recordings")
