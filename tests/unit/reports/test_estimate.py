"""Estimated times: what a sample of files tells, and how times grow with the work. No time itself is tested."""

import numpy as np
import pytest
import soundfile

from dlglc.reports import estimate as estimates
from dlglc.reports.estimate import (
    Corpus,
    dino_seconds,
    estimate,
    header_of,
    in_words,
    look_at_files,
    round_seconds,
)
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, DlglcSettings, FbankSettings

SMALL = [
    *("batch_size=2", "long_seconds=0.3", "short_seconds=0.2", "epochs=4", "freeze_last_epochs=0"),
    *("encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=8", "optimiser.warmup_epochs=0"),
    *("head.hidden=8", "head.bottleneck=8", "head.outputs=16", "average_epochs=1"),
]


@pytest.fixture
def files(tmp_path):
    """Three readable files of 1, 2 and 9 s, and one that is none."""
    paths = []
    for seconds in (1, 2, 9):
        paths.append(str(tmp_path / f"{seconds}.wav"))
        soundfile.write(paths[-1], np.ones(16000 * seconds, np.int16), 16000)
    (tmp_path / "broken.wav").write_bytes(b"no audio")
    return [*paths, str(tmp_path / "broken.wav")]


def test_headers_tell_hours_and_formats(files, tmp_path):
    corpus = look_at_files(files, tmp_path, cut_above=8.5)
    assert (corpus.files, corpus.unreadable) == (4, 1)
    assert corpus.hours == pytest.approx(12 / 3600)
    assert dict(corpus.formats) == {"PCM_16 16000 Hz, 1 ch": 3}
    assert corpus.utterances == round(1 + 1 + 9 / estimates.UTTERANCE)
    assert corpus.decode_speed > 0
    assert header_of(files[-1]) is None


def test_a_sample_stands_for_all(files, tmp_path, monkeypatch):
    monkeypatch.setattr(estimates, "SAMPLE", 2)
    corpus = look_at_files(files[:1] * 10, tmp_path, 60.0)
    assert corpus.files == 10
    assert corpus.hours == pytest.approx(10 / 3600)
    assert corpus.utterances == 10


def test_work_is_measured(processes):
    dino = load_settings(DinoSettings, None, SMALL)
    fbank = load_settings(FbankSettings)
    rounds = load_settings(DlglcSettings, None, ["batch_size=2", "crop_seconds=0.3"])
    assert dino_seconds(dino, fbank, processes) > 0
    assert min(round_seconds(rounds, dino, fbank, processes)) > 0


def test_times_grow_with_epochs_rounds_and_hours(monkeypatch):
    monkeypatch.setattr(estimates, "dino_seconds", lambda *_: 0.01)
    monkeypatch.setattr(estimates, "round_seconds", lambda *_: (0.02, 0.001))
    corpus = Corpus(100, 10.0, 1000, {}, 0, 100.0)

    def stages(epochs, count, jobs):
        dino = load_settings(DinoSettings, None, [*SMALL, f"epochs={epochs}"])
        rounds = load_settings(DlglcSettings)
        return [seconds for _, seconds in estimate(corpus, dino, rounds, load_settings(FbankSettings), count, jobs)]

    one, more = stages(4, 1, 1), stages(8, 3, 2)
    assert more[0] < one[0] and more[1] < one[1]  # audio and features in two jobs
    assert more[2] == pytest.approx(2 * one[2])
    assert more[3] == pytest.approx(one[3])
    assert more[4] == pytest.approx(3 * one[4])
    assert one[0] == pytest.approx(36000 / 100 + 30)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89, "89 s"), (120, "2 min"), (5399, "90 min"), (9000, "2.5 h")]
)
def test_times_as_people_say_them(seconds, words):
    assert in_words(seconds) == words
