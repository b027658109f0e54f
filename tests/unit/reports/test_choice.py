"""Which epoch a round kept, in words."""

import json

import pytest

from dlglc.reports.choice import describe_choice, kept_epoch, last_system, unchanged_rounds


def lines(start, *signs):
    return [{"epoch": k, "held_out_eer": sign, "held_out_start": start} for k, sign in enumerate(signs, 1)]


ONE = "The model is that of epoch 1: the error rate on held-out clusters is 2.50 %, at the start 3.00 %."
NONE = (
    "The model is the start, unchanged: the error rate on held-out clusters is 3.00 % at the start, and after training "
    "3.00 % at best."
)


@pytest.mark.parametrize(
    ("found", "kept", "words"),
    [
        ([], None, ""),
        ([{"epoch": 1, "loss": 2.0}], None, ""),
        ([{"epoch": 1, "held_out_eer": 2.0}], None, ""),  # of version 0.3, which does not say the start's
        (lines(3.0, 2.5, 2.75), 1, ONE),
        (lines(3.0, 3.5, 3.0), 0, NONE),
    ],
)
def test_a_sentence_on_the_choice(found, kept, words):
    assert kept_epoch(found) == kept
    assert describe_choice(found) == words


def test_the_rounds_that_change_nothing(tmp_path):
    for name, found in {"round1": lines(3.0, 2.0), "round2": lines(3.0, 4.0), "dino": [{"epoch": 1}]}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in found))
    assert list(unchanged_rounds(tmp_path)) == ["round2"]


def test_the_last_system_that_training_made_better(tmp_path):
    names = ["mfcc", "start", "round1", "round2", "round3"]
    assert last_system(tmp_path, names) == ""
    found = {"start": [], "round1": lines(3.0, 2.0), "round2": lines(3.0, 4.0), "round3": lines(3.0, 1.0)}
    for name, of_epochs in found.items():
        (tmp_path / name / "clusters").mkdir(parents=True)
        (tmp_path / name / "clusters/utt2cluster").touch()
        (tmp_path / name / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in of_epochs))
    for name in ("start", "round1", "round2"):  # round3 is not finished
        (tmp_path / name / "model.pt").touch()
    assert last_system(tmp_path, names) == "round1"
    assert last_system(tmp_path, ["start", "round2"]) == "start"
    assert last_system(tmp_path, ["round2"]) == "round2"
