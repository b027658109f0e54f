"""dlg-lc verify: verdicts, their origin, exit status."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import dlglc
from dlglc.bundles.container import CARD, read_bundle, write_bundle
from dlglc.front.commands.verify import STATUS
from support.audio_files import tones
from support.commands import dlg_lc
from support.scripts import environment


@pytest.fixture
def calibrated(bundles, tmp_path):
    """The bundle with a calibration. Its own trials give none, as its encoder has random weights."""
    parts = read_bundle(bundles.labelled).parts
    card = json.loads(parts[CARD])
    card["decision"] |= {"weight": 0.1, "offset": -0.5, "why_none": ""}
    write_bundle(tmp_path / "calibrated.dlglc", {**parts, CARD: json.dumps(card).encode()})
    return tmp_path / "calibrated.dlglc"


def test_text_and_json_say_the_same(bundles, calibrated, capsys):
    a, b = bundles.speech[0]
    model = dlglc.load(calibrated)
    expected = model.verify([a], b, 0.1, 0.2)
    found = dlg_lc(capsys, "verify", "--json", "--false-accept", 0.1, "--prior", 0.2, calibrated, a, b)
    record = found.json
    assert record["score"] == pytest.approx(expected.score, abs=1e-4)
    assert record["probability"] == pytest.approx(expected.probability, abs=1e-4)
    assert (record["verdict"], record["threshold_source"], record["bundle"]) == (expected.verdict, "labels", model.id)
    text = dlg_lc(capsys, "verify", "--false-accept", 0.1, "--prior", 0.2, calibrated, a, b)
    assert f"{expected.score:.3f} (cosine, normalised by the cohort (AS-norm))" in text.out
    assert "from labelled trials" in text.out
    assert f"{100 * expected.probability:.1f} % (before listening: 20 %)" in text.out
    assert text.status == 0


def test_without_labels_it_says_so(bundles, capsys):
    a, b = bundles.speech[0]
    found = dlg_lc(capsys, "verify", "--false-accept", 0.1, bundles.unlabelled, a, b)
    assert "different clusters of the training set, nothing is labelled" in found.out
    assert "none: the bundle was made without labelled trials" in found.out


def test_several_recordings_of_one_person(bundles, capsys):
    a, b = bundles.speech[0]
    words = ["verify", "--json", "--false-accept", 0.1, bundles.labelled]
    both = dlg_lc(capsys, *words, a, b, a).json
    expected = dlglc.load(bundles.labelled).verify([a, b], a, 0.1)
    assert both["score"] == pytest.approx(expected.score, abs=1e-4)


def test_exit_status_is_the_verdict(bundles, capsys, tmp_path):
    model, a = dlglc.load(bundles.labelled), bundles.speech[0][0]
    b = min((paths[0] for paths in bundles.speech), key=lambda path: model.score([model.embed(a)], model.embed(path)))
    soundfile.write(tmp_path / "tones.wav", tones(3, 16000), 16000)
    words = ["verify", "--exit-status", "--json", "--false-accept", 0.06, bundles.labelled]
    for test, verdict in ((a, "same"), (b, "different"), (tmp_path / "tones.wav", "undecided")):
        found = dlg_lc(capsys, *words, a, test)
        assert (found.json["verdict"], found.status) == (verdict, STATUS[verdict])
    assert any("nothing to decide on" in remark for remark in found.json["remarks"])
    assert (found.json["probability"], found.json["no_probability"]) == (None, "too little speech")


def test_a_recording_that_cannot_be_used(bundles, capsys, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    found = dlg_lc(
        capsys, "verify", bundles.labelled, "--false-accept", 0.1, bundles.speech[0][0], tmp_path / "silent.wav"
    )
    assert (found.status, found.out) == (1, "")
    assert "silent.wav: silent" in found.err


def test_a_name_that_is_no_text(bundles, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.wav"
    with open(name, "wb") as file:
        file.write(b"x")
    program = "import sys; from dlglc.front.command import main; main(sys.argv[1:])"
    words = [sys.executable, "-c", program, "verify", bundles.labelled, bundles.speech[0][0], os.fsdecode(name)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    samples, rate = soundfile.read(bundles.speech[0][0])
    with open(name, "wb") as file:
        soundfile.write(file, samples[: rate * 3 // 2], rate, format="WAV")
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert "\\udcff.wav: only" in done.stdout
