"""The report page: what stands in it, what is escaped, what is left out where nothing is known.

tests/recipe/test_report_page.py looks at it in a browser.
"""

import base64
import hashlib
import html
import json
import os
import re

import numpy as np
import pytest
import soundfile
from markupsafe import Markup

from dlglc.data.tables import read_table
from dlglc.reports.page.about import changed_settings, training_row
from dlglc.reports.page.blocks import Clip, Clips, Facts, Findings, Section, Table, Text
from dlglc.reports.page.gates import right_of, sentence
from dlglc.reports.page.listening import Audio, data_uri
from dlglc.reports.page.maps import lay_out, take_sample
from dlglc.reports.page.outcome import outcome_section, steps_of, variants
from dlglc.reports.page.page import render
from dlglc.reports.page.scores import det_row, read_scored, thinned
from dlglc.reports.page.trainings import describe, trainings_section
from dlglc.reports.pages import experiment_page
from dlglc.reports.records import read_experiment
from dlglc.reports.staleness import reasons
from support.experiments import HOSTILE, write_experiment


@pytest.fixture(autouse=True)
def fresh():
    """What was found of a file is kept while a report is made, not from one to the next."""
    reasons.cache_clear()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An experiment with all that can be known; tests do not change it."""
    return write_experiment(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def page(world):
    """The text of its page."""
    experiment_page(*world)
    return (world[0] / "report.html").read_text(encoding="utf-8")


def sections(page):
    return re.findall(r'<section id="(\w+)"', page)


def test_a_page_has_all_its_parts(page):
    assert sections(page) == ["findings", "results", "trainings", "gates", "trials", "embeddings", "listen", "about"]
    titles = [html.unescape(title) for title in re.findall(r"<figcaption>(.*?)</figcaption>", page)]
    for title in (
        *(
            "Equal error rate by round",
            "Clusters and true speakers by round",
            "Loss of dino",
            "Teacher entropy of dino",
        ),
        *("Deviation of dino's embeddings", "Loss of the rounds by epoch", "round1: losses that set the gate"),
        *("round2: what became of the labels", "round2: right labels among them", "DET curves by PLDA"),
        *("Scores of round2 by AS-norm", "Sizes of the clusters"),
    ):
        assert title in titles
    for kind in ("cluster", "session", "true speaker"):
        assert f"48 utterances of the training set by round2, coloured by {kind}" in titles
    assert page.count("<audio") == 12


def test_a_page_loads_nothing_and_lets_nothing_but_its_script_run(page):
    assert re.findall(r"<(?:img|iframe|object|embed|link (?!rel=\"icon\" href=\"data:,\"))", page) == []
    assert set(re.findall(r'(?:src|href)="(?!#|data:)([^"]*)"', page)) == set()
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert f"script-src 'sha256-{digest}';" in html.unescape(policy)
    assert policy.startswith("default-src &#39;none&#39;") or policy.startswith("default-src 'none'")


def test_ids_are_text(page):
    assert HOSTILE not in page
    assert page.count(str(Markup.escape(HOSTILE))) > 10


def test_every_figure_says_what_it_shows_and_drawings_are_hidden(page):
    figures = re.findall(r"<figure.*?</figure>", page, re.DOTALL)
    assert len(figures) > 20
    for figure in figures:
        assert len(re.search(r'role="img" aria-label="([^"]+)"', figure)[1]) > 40
        assert 'aria-hidden="true"' in figure
        assert "<table>" in figure


def test_ids_of_elements_are_unique_and_references_lead_somewhere(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#|for=")([^")]+)', page)) <= set(ids)


def test_the_same_files_give_the_same_page(world, page):
    """Except for the serial number that libsndfile gives to each Ogg stream."""
    experiment_page(*world)
    again = (world[0] / "report.html").read_text(encoding="utf-8")
    assert re.sub(r"data:audio[^\"]*", "", again) == re.sub(r"data:audio[^\"]*", "", page)


def test_a_page_without_truth_and_trials(tmp_path):
    exp, data = write_experiment(tmp_path, truth=False, trials=False)
    for path in exp.glob("round1/clusters/*"):  # as a copy leaves them: times say nothing
        os.utime(path, (2e9, 2e9))
    experiment_page(exp, data)
    page = (exp / "report.html").read_text(encoding="utf-8")
    assert sections(page) == ["findings", "results", "trainings", "gates", "embeddings", "listen", "about"]
    assert "true speaker" not in page.replace("agreement of clusters with true speakers", "")
    assert "Stability of clusters by round" in page
    assert "The largest clusters of round2" in page
    assert page.count("<audio") == 8


def test_a_page_without_audio_and_without_data(world, tmp_path):
    exp, data = write_experiment(tmp_path)
    experiment_page(exp, data, clips=0)
    page = (exp / "report.html").read_text(encoding="utf-8")
    assert "<audio" not in page
    assert "Different speakers: the highest scores by round2 and cosine" in page
    experiment_page(exp, None)
    assert sections((exp / "report.html").read_text()) == [
        *("findings", "results", "trainings", "gates", "embeddings", "about")
    ]


def test_what_is_gone_is_left_out_and_the_page_is_made(tmp_path):
    exp, data = write_experiment(tmp_path)
    (exp / "round2/train/embedding.ark").unlink()
    for path in data.glob("eval/*.wav"):
        path.unlink()
    experiment_page(exp, data)
    page = (exp / "report.html").read_text(encoding="utf-8")
    assert "No map of the embeddings: " in page and "embedding.scp:1: cannot read" in page
    assert "Sizes of the clusters" in page
    assert "<audio" not in page and "Different speakers: the highest scores" in page


def test_all_kinds_of_blocks_escape_their_texts():
    bad = "<b onclick=x>&"
    blocks = [
        *(Text(bad), Table([bad], [[bad]], bad), Facts([(bad, bad)]), Findings([(bad, bad, bad)], [bad], [bad])),
        Clips(bad, [(bad, [Clip(bad, bad, "")])]),
    ]
    page = render(bad, bad, [Section("one", bad, blocks), Section("empty", "nothing", [])])
    assert bad not in page
    assert page.count("&lt;b onclick=x&gt;&amp;") == 21
    assert "nothing" not in page


def test_results_by_round(world):
    records = read_experiment(world[0])
    assert variants(records) == ["round"]
    assert steps_of(records, "round") == ["dino", "round1", "round2"]
    section = outcome_section(world[0], records, {"dino plda": "x has changed"})
    first, row, _, table, stale = section.blocks
    best = next(r for r in records if (r["system"], r["backend"]) == ("round2", "cosine"))
    assert first.values[0] == (f"{best['eer']:.2f} %", "EER of round2 by cosine")
    assert [figure.title for figure in row.figures] == [
        *("Equal error rate by round", "Clusters and true speakers by round")
    ]
    assert len(table.rows) == 12 and all(len(line) == len(table.head) for line in table.rows)
    low, high = best["eer_ci"]
    assert ["round2", "cosine", f"{best['eer']:.2f}", f"{low:.2f} to {high:.2f}"] in [line[:4] for line in table.rows]
    assert stale.rows == [["dino plda", "x has changed"]]


def test_labels_of_a_round_are_right_or_wrong(world):
    exp, data = world
    right = right_of(exp / "round2", data)
    clusters, truth = (read_table(path) for path in (exp / "round1/clusters/utt2cluster", data / "train/utt2spk.truth"))
    names = sorted(set(truth.values()))
    assert right.tolist() == [names[int(clusters[utt])] == truth[utt] for utt in clusters]
    assert 0.85 < right.mean() < 1
    assert right_of(exp / "dino", data) is None
    assert right_of(exp / "round2", None) is None


def test_a_sentence_on_a_gate():
    line = {"epoch": 3, "gate": "crossing", "threshold": 1.25, "kept": 0.5, "corrected": 0.25, "dropped": 0.25}
    assert sentence(line).startswith("Epoch 3: the threshold of 1.25 on the loss is where the components")
    assert sentence(line).replace("\u00a0", " ").endswith("Labels: kept 50.0 %, corrected 25.0 %, dropped 25.0 %.")
    assert "every label is trusted" in sentence(line | {"gate": "off", "threshold": None})


def test_a_map_of_groups_that_lie_apart(world):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(4), 15)
    points = 5 * rng.normal(size=(4, 16))[groups] + 0.1 * rng.normal(size=(60, 16))
    places = lay_out(points, 0)
    np.testing.assert_array_equal(places, lay_out(points, 0))
    distance = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(60)
    assert (groups[distance.argmin(1)] == groups).all()
    sample = take_sample(world[0] / "round2", world[1])
    assert sample.ids == sorted(sample.ids) and len(sample.ids) == 48
    assert set(sample.groups) == {"cluster", "session", "true speaker"}


def test_det_points_of_a_table():
    miss, alarm = np.array([0, 0.1, 0.4, 1.0]), np.array([1.0, 0.1, 0.005, 0])
    assert det_row(miss, alarm) == ["10.00", "100.0", "40.0", "40.0"]
    assert thinned(3).tolist() == [0, 1, 2]
    assert len(thinned(10_000)) == 150 and thinned(10_000)[[0, -1]].tolist() == [0, 9999]


def test_stale_scores_have_no_curve(world):
    scored = read_scored(world[0], world[1] / "eval/trials")
    assert [(one.system, one.backend) for one in scored][-1] == ("round2", "plda")
    assert len(scored) == 12


def test_a_clip_is_the_middle_of_a_recording(world, tmp_path):
    audio = Audio(world[1] / "train", 1)
    utt = next(iter(audio.rows))
    clip = audio.clip(utt, "speaker x")
    assert (clip.title, clip.detail) == (utt, "speaker x")
    assert audio.clip(utt).source == "" == audio.clip("unknown").source  # one clip only
    sound = 3000 * np.sin(2 * np.pi * 440 * np.arange(5 * 16000) / 16000)
    uri = data_uri(sound.astype(np.int16)[:48000])
    assert uri.startswith("data:audio/ogg;base64,")
    assert len(uri) < 20_000
    (tmp_path / "clip.ogg").write_bytes(base64.b64decode(uri.split(",")[1]))
    samples, rate = soundfile.read(tmp_path / "clip.ogg")
    assert len(samples) / rate == pytest.approx(3.0, abs=0.05)
    middle = samples[rate : 2 * rate]
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(440, abs=2)
    assert 0.4 < np.abs(middle).max() < 1


def test_settings_that_differ_and_trainings(world):
    rows = changed_settings(world[0])
    assert ["dlglc.gate.from_epoch", "2", "5", "round1, round2"] in rows
    assert ["dino.epochs", "4", "150", "dino"] in rows
    assert training_row(world[0] / "dino") == ["dino", "7", "4", "2.0", "50", "10", "git abc · a machine"]
    assert training_row(world[0] / "untrained") == []


def test_rates_on_held_out_clusters_begin_with_the_start(world):
    assert all("held-out" not in block.title for row in trainings_section(world[0]).blocks for block in row.figures)
    path = world[0] / "round1/metrics.jsonl"
    lines = [json.loads(line) | {"held_out_start": 3.5, "held_out_eer": 2.5} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    *_, row, text = trainings_section(world[0]).blocks
    (figure,) = row.figures
    assert figure.table.rows == [["0", "3.500"], *([str(k), "2.500"] for k in range(1, len(lines) + 1))]
    assert text.text.startswith("round1: The model is that of epoch 1: ")


def test_lines_in_words():
    lines = {"loss": (np.array([1, 2, 3]), np.array([4.0, 2.0, 1.0]))}
    assert describe(lines) == "loss: 4 in epoch 1, 1 in epoch 3"
