"""The part of the page that needs no label: a row for each system, and the files of what to listen to."""

import json

import pytest

from dlglc.data.tables import write_table
from dlglc.reports.unlabelled import COLUMNS, unlabelled_section


@pytest.fixture
def exp_dir(tmp_path):
    """DINO and a round as stages 4 and 5 leave them."""
    figures = {"num_clusters": 8, "seed_agreement": 0.91234, "silhouette": 0.5}
    for system, found in (("dino", figures), ("round1", {**figures, "round_agreement": 0.8})):
        clusters = tmp_path / "exp" / system / "clusters"
        clusters.mkdir(parents=True)
        (clusters / "unlabelled.json").write_text(json.dumps(found))
        (clusters / "listen.txt").write_text(f"7 {system}-u1 central\n7 u2 farthest\n3 u3 central\n")
    (tmp_path / "exp/round1/metrics.jsonl").write_text(
        '{"kept": 1.0}\n{"kept": 0.7, "corrected": 0.2, "dropped": 0.1}\n'
    )
    return tmp_path / "exp"


def rows(table):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def test_a_row_for_each_system(exp_dir):
    table = rows(unlabelled_section(exp_dir, None)[1])
    assert table[0] == ["system", *COLUMNS.values()]
    found = {row[0]: dict(zip(COLUMNS, row[1:])) for row in table[2:]}
    assert list(found) == ["dino", "round1"]
    assert (found["dino"]["num_clusters"], found["dino"]["seed_agreement"]) == ("8", "0.912")
    assert (found["dino"]["round_agreement"], found["dino"]["kept"]) == ("–", "–")
    assert [
        float(found["round1"][key]) for key in ("round_agreement", "kept", "corrected", "dropped")
    ] == pytest.approx([0.8, 70, 20, 10])


def test_what_to_listen_to_is_of_the_last_system_with_its_files(exp_dir, tmp_path):
    data = tmp_path / "data"
    write_table(data / "train/utt2reco", {"round1-u1": "a", "u2": "b"})
    write_table(data / "local/train/wav.scp", {"a": "/corpus/a.mp3", "b": "/corpus/b c.wav"})
    *_, title, _, table = unlabelled_section(exp_dir, data)
    assert "round1" in title
    assert rows(table)[2:] == [
        ["7", "central", "round1-u1", "`/corpus/a.mp3`"],
        ["7", "farthest", "u2", "`/corpus/b c.wav`"],
        ["3", "central", "u3", "`–`"],
    ]
    *_, table = unlabelled_section(exp_dir, None)
    assert rows(table)[2][-1] == "`–`"


def test_what_to_listen_to_in_a_recording_that_was_cut_has_its_times(exp_dir, tmp_path):
    data = tmp_path / "data"
    write_table(data / "train/utt2reco", {"round1-u1": "a", "u2": "b", "u3": "c"})
    write_table(data / "train/utt2segment", {"u2": "b 12.300 20.100"})
    write_table(data / "local/train/wav.scp", {"a": "/corpus/a|`b.mp3", "b": "/corpus/talk.mp3", "c": "/corpus/c.wav"})
    *_, table = unlabelled_section(exp_dir, data)
    assert [line.rsplit(" | ", 1)[1] for line in table.splitlines()[2:]] == [
        "``/corpus/a\\|`b.mp3`` |",
        "`/corpus/talk.mp3`, 12.300 to 20.100 s |",
        "`/corpus/c.wav` |",
    ]


def test_without_an_assessment_there_is_no_section(tmp_path):
    (tmp_path / "dino/scores").mkdir(parents=True)
    assert unlabelled_section(tmp_path, None) == []
