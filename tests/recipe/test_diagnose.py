"""./run.sh --diagnose on the records of a real run, as they are and as they would be if something went wrong."""

import json
import math
import shutil

import pytest

from dlglc.data.tables import read_table, write_table
from dlglc.reports.diagnosis import diagnose
from dlglc.reports.staleness import reasons
from support.chain import run


@pytest.fixture
def world(finished, tmp_path, monkeypatch):
    """A copy of the experiment and of its tables. Its records name the files of the first one, relative to its tree."""
    monkeypatch.chdir(finished.tree)
    reasons.cache_clear()
    exp = shutil.copytree(finished.tree / "exp/mini", tmp_path / "exp")
    data = tmp_path / "data"
    for part in ("train", "eval"):
        (data / part).mkdir(parents=True)
        for name in ("utt2spk.truth", "wav.scp"):
            shutil.copy(finished.tree / "data/mini" / part / name, data / part)
    return exp, data


def found(world, place):
    """Problems of a system."""
    return [one.problem for one in diagnose(*world).found if one.place == place]


def change(path, **figures):
    """Change figures in each line of a .jsonl file."""
    lines = [json.loads(line) | figures for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def set_rate(system, **rates):
    for path in system.glob("scores/*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | rates))


def test_the_command_names_problems_and_remedies_and_changes_nothing(finished, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in finished.tree.glob("exp/**/*")}
    said = " ".join(run(finished.tree, "--diagnose").stdout.split())
    assert "Checked: collapse; gates; rounds that change nothing; error rates; " in said
    assert "clusters that are sessions (no sessions known)" in said
    assert before == {path: path.stat().st_mtime_ns for path in finished.tree.glob("exp/**/*")}
    nothing = run(finished.tree, "--diagnose", "--exp", "exp/none", check=False)
    assert nothing.returncode == 1
    assert "exp/none: no such experiment" in nothing.stderr


def test_the_page_holds_the_same_problems(finished):
    page = " ".join((finished.tree / "exp/mini/report.html").read_text().split())
    said = run(finished.tree, "--diagnose").stdout
    for line in said.splitlines():
        if line[:1].isdigit():
            place = line.split(". ", 1)[1].split(":")[0]
            assert f"<strong>{place}</strong>" in page
    assert 'id="findings"' in page


def test_a_collapse(world):
    outputs = json.loads((world[0] / "dino/stamp.json").read_text())["settings"]["dino"]["head"]["outputs"]
    assert not any("every output is uniform" in problem for problem in found(world, "dino"))
    change(world[0] / "dino/metrics.jsonl", teacher_entropy=math.log(outputs), batch_entropy=math.log(outputs))
    assert any("every output is uniform" in problem for problem in found(world, "dino"))


@pytest.mark.parametrize(("kept", "words"), [(1.0, "keeps every label"), (0.0, "keeps almost no label")])
def test_a_gate_that_keeps_all_or_nothing(world, kept, words):
    change(world[0] / "round1/metrics.jsonl", kept=0.5, gate="crossing")
    assert not any("gate" in problem for problem in found(world, "round1"))
    change(world[0] / "round1/metrics.jsonl", kept=kept)
    assert any(words in problem for problem in found(world, "round1"))


def test_error_rates_near_chance(world):
    set_rate(world[0] / "round1", eer=12.0)
    assert not any("chance" in problem for problem in found(world, "round1"))
    set_rate(world[0] / "round1", eer=49.0)
    (problem,) = (problem for problem in found(world, "round1") if "chance" in problem)
    assert problem.count("49.0 % by ") == 3


def test_a_round_that_is_worse(world):
    shutil.copytree(world[0] / "round1", world[0] / "round2")
    set_rate(world[0] / "round1", eer=12.0, eer_ci=[10.0, 15.0])
    set_rate(world[0] / "round2", eer=12.0)
    assert not any("worse" in problem for problem in found(world, "round2"))
    set_rate(world[0] / "round2", eer=16.0)
    (problem,) = (problem for problem in found(world, "round2") if "worse than round1" in problem)
    assert problem.count("rises from 12.00 to 16.00 %") == 3


def test_one_giant_cluster(world):
    file = world[0] / "round1/clusters/utt2cluster"
    table = read_table(file)
    utts = list(table)
    names = {utt: str(min(number, 9)) for number, utt in enumerate(utts)}
    write_table(file, names)
    assert any(f"one of 10 clusters has {len(utts) - 9} of" in problem for problem in found(world, "round1"))


@pytest.mark.parametrize("known", [True, False])
def test_clusters_that_are_sessions(world, known):
    exp, data = world
    speakers = read_table(data / "train/utt2spk.truth")
    if not known:
        (data / "train/utt2spk.truth").unlink()
    count: dict[str, int] = {}
    sessions = {}
    for utt, speaker in speakers.items():  # the first half of each speaker's utterances is of one day
        count[speaker] = count.get(speaker, 0) + 1
        sessions[utt] = f"{speaker}-day{1 + (count[speaker] > 3)}"
    write_table(data / "train/utt2sess", sessions)
    write_table(exp / "round1/clusters/utt2cluster", speakers)
    assert not any("sessions" in problem for problem in found(world, "round1"))
    write_table(exp / "round1/clusters/utt2cluster", sessions)
    words = "clusters are sessions" if known else "clusters may be sessions"
    assert any(words in problem for problem in found(world, "round1"))
