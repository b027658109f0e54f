"""dlg-lc identify: people are enrolled, found, taken out; strangers are unknown."""

import shutil
import subprocess
import sys

import pytest
import soundfile

from dlglc.front.model import load_model
from dlglc.front.people import People
from dlglc.locks import only_process
from support.audio_files import tones
from support.commands import dlg_lc
from support.scripts import environment


@pytest.fixture
def staff(bundles, tmp_path):
    """A folder with a sub-folder for each of four people."""
    for person, paths in enumerate(bundles.speech[:4]):
        (tmp_path / f"staff/p{person}").mkdir(parents=True)
        shutil.copy(paths[0], tmp_path / f"staff/p{person}")
    return tmp_path / "staff"


def test_people_come_and_go(bundles, capsys, staff, tmp_path):
    bundle, people = bundles.labelled, tmp_path / "people.npz"
    found = dlg_lc(capsys, "identify", "enrol", "--json", bundle, people, staff)
    assert found.json == {"enrolled": ["p0", "p1", "p2", "p3"], "recordings": 4, "left_out": 0, "people": 4}
    test = bundles.speech[2][0]
    words = ["identify", "search", "--json", "--false-accept", 0.3, bundle, people]
    answer = dlg_lc(capsys, *words, test).json["answers"][0]
    assert (answer["verdict"], answer["person"], len(answer["candidates"])) == ("known", "p2", 3)
    dlg_lc(capsys, "identify", "remove", bundle, people, "p2", "p3")
    answer = dlg_lc(capsys, *words, test).json["answers"][0]
    assert answer["person"] != "p2"
    dlg_lc(capsys, "identify", "enrol", "--name", "p2", bundle, people, test, bundles.speech[2][1])
    listed = dlg_lc(capsys, "identify", "list", "--json", bundle, people).json
    assert listed == {"people": {"p0": 1, "p1": 1, "p2": 2}}
    assert "p2  2 recordings" in dlg_lc(capsys, "identify", "list", bundle, people).out


def test_strangers_are_unknown(bundles, capsys, staff, tmp_path):
    bundle, people = bundles.labelled, tmp_path / "people.npz"
    dlg_lc(capsys, "identify", "enrol", bundle, people, staff)
    soundfile.write(tmp_path / "tones.wav", tones(3, 16000), 16000)
    strangers = [paths[1] for paths in bundles.speech[4:]]
    found = dlg_lc(capsys, "identify", "search", "--json", bundle, people, *strangers, tmp_path / "tones.wav").json
    verdicts = [answer["verdict"] for answer in found["answers"]]
    assert verdicts[-1] == "undecided"
    assert verdicts.count("unknown") >= 4
    assert "4 people are too many for the 364 pairs" in found["remarks"][0]


def test_what_cannot_be_done_is_said(bundles, capsys, tmp_path):
    bundle, people = bundles.labelled, tmp_path / "people.npz"
    a = bundles.speech[0][0]
    found = dlg_lc(capsys, "identify", "search", bundle, people, a)
    assert (found.status, "`dlg-lc identify enrol` makes it" in found.err) == (1, True)
    found = dlg_lc(capsys, "identify", "enrol", "--name", "p", bundles.unlabelled, people, a)
    found = dlg_lc(capsys, "identify", "search", bundle, people, a)
    assert "enrol with one bundle only" in found.err
    (tmp_path / "flat").mkdir()
    shutil.copy(a, tmp_path / "flat")
    found = dlg_lc(capsys, "identify", "enrol", bundle, tmp_path / "b.npz", tmp_path / "flat")
    assert "in no sub-folder" in found.err
    assert not (tmp_path / "b.npz").exists()


def test_two_commands_at_once_both_enrol(bundles, capsys, tmp_path):
    bundle, people = bundles.labelled, tmp_path / "people.npz"
    words = [sys.executable, "-c", "from dlglc.front.command import main; main()", "identify", "enrol"]
    with only_process(tmp_path, wait=False):
        command = [*words, "--name", "b", bundle, people, bundles.speech[1][0]]
        other = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert "waiting for: process" in other.stderr.readline()
        dlg_lc_in_lock(bundle, people, bundles.speech[0][0])
    assert other.wait() == 0, other.stderr.read()
    assert dlg_lc(capsys, "identify", "list", "--json", bundle, people).json == {"people": {"a": 1, "b": 1}}


def dlg_lc_in_lock(bundle, people, recording):
    """What enrol does while it holds the file."""
    model = load_model(bundle)
    vectors = model.scorer.represent(model.hear(recording).embedding[None])
    People.none(model.id, vectors.shape[1]).added(["a"], vectors).write(people)
