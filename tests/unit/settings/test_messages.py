"""What is said about wrong settings: where they stand, what is allowed there, and the nearest valid value."""

from typing import Annotated

import pytest
from pydantic import Field

from dlglc.settings import SCHEMAS
from dlglc.settings.messages import describe, describe_bounds, nearest, shown
from support.settings import refusal

# What stands in the file my.yaml of an idea, and what the message must hold.
FILES = [
    # Numbers.
    ("dino", "epochs: many", ["my.yaml:1: epochs: must be a whole number of 0 or more, not 'many'"]),
    ("dino", "epochs: -1", ["whole number of 0 or more, not -1"]),
    ("dino", "input: wav\nepochs: 3.5", ["my.yaml:2: epochs", "not 3.5"]),
    ("dino", "epochs: 1e2", ["not 100.0. Did you mean 100?"]),
    ("dino", "epochs: '3'", ["not '3'. Did you mean 3?"]),
    ("dino", "epochs: 010", ["not '010'. Did you mean 10?"]),
    ("dino", "epochs: 0x10", ["not '0x10'"]),
    ("dino", "epochs: 1:30", ["not '1:30'"]),
    ("dino", "epochs: 1_000", ["not '1_000'. Did you mean 1000?"]),
    ("dino", "epochs:", ["whole number of 0 or more, not null"]),
    ("dino", "epochs: true", ["not true"]),
    ("dino", "epochs: [3]", ["not [3]"]),
    ("dino", "epochs: 99999999999999999999", ["epochs: must be 1000000 or less, not 99999999999999999999"]),
    ("dino", f"epochs: {'9' * 5000}", ["epochs: must be a whole number of 0 or more, not .inf"]),
    ("dino", "batch_size: 1", ["batch_size: must be a whole number of 2 or more, not 1"]),
    ("dino", "long_seconds: 0.004", ["long_seconds: must be a number from 0.1 to 60, not 0.004"]),
    ("dino", "student_temperature: .nan", ["a number above 0, not .nan"]),
    ("dino", "student_temperature: 0,1", ["not '0,1'. Did you mean 0.1?"]),
    ("dino", "student_temperature: 1e999", ["a number above 0, not .inf"]),
    ("dino", "teacher_momentum: 1", ["a number of 0 or more and below 1, not 1"]),
    ("dino", "optimiser: {lr: 0}", ["my.yaml:1: optimiser.lr: must be a number above 0, not 0"]),
    ("dino", "optimiser:\n  lr: '1e-3'", ["my.yaml:2: optimiser.lr", "Did you mean 0.001?"]),
    ("dlglc", "workers: 5000", ["from 0 to 256, not 5000"]),
    ("augment", "probability: 50%", ["a number from 0 to 1, not '50%'"]),
    ("backend", "calibration_prior: 1", ["a number above 0 and below 1, not 1"]),
    # Choices and switches.
    (
        "dlglc",
        "correction:\n  mode: sotf",
        ["my.yaml:2: correction.mode: must be soft, hard, utterance or none, not 'sotf'. Did you mean 'soft'?"],
    ),
    ("dlglc", "gate: {mode: Fixed}", ["not 'Fixed'. Did you mean 'fixed'?"]),
    ("dlglc", "gate: {mode: }", ["not null. Did you mean 'none'?"]),
    ("dino", "precision: bf16", ["float32, bfloat16 or float16, not 'bf16'. Did you mean 'bfloat16'?"]),
    ("dino", "precision: 16", ["float32, bfloat16 or float16, not 16"]),
    ("dino", "optimiser: {nesterov: yes}", ["true or false, not 'yes'. Did you mean true?"]),
    ("cluster", "spherical: 0", ["true or false, not 0. Did you mean false?"]),
    ("fbank", "compression: false", ["compression: must be 0, 2 or 3, not false"]),
    ("fbank", "compression: 2.0", ["0, 2 or 3, not 2.0"]),
    ("backend", "plda_enrolment: book", ["exact or average, not 'book'"]),
    # Lists and sections.
    ("dlglc", "gate:\n  fixed_thresholds: 3", ["a list of one or more values, each a number above 0, not 3"]),
    ("dlglc", "gate:\n  fixed_thresholds: []", ["a list of one or more values"]),
    ("dlglc", "gate:\n  fixed_thresholds: [1, 0]", ["gate.fixed_thresholds.1: must be a number above 0, not 0"]),
    ("augment", "snr_db: {noise: [1, 2, 3]}", ["snr_db.noise: must be a list of 2 values", "not [1, 2, 3]"]),
    ("augment", "snr_db: [0, 15]", ["snr_db: must be a section in which each key has a list of 2 values"]),
    ("dino", "head: 3", ["head: must be a section with the keys hidden, bottleneck, outputs, not 3"]),
    ("dino", "head:", ["head: must be a section", "not null"]),
    # Keys.
    ("dino", "epochs: 3\nbatchsize: 9", ["my.yaml:2: no such key 'batchsize'. Did you mean 'batch_size'?"]),
    (
        "dino",
        "head:\n  outptus: 8",
        ["my.yaml:2: no such key 'head.outptus'. Did you mean 'outputs'?", "hidden, bottleneck"],
    ),
    ("dino", "nesterov: true", ["no such key 'nesterov'. Did you mean 'optimiser.nesterov'?"]),
    ("dlglc", "from_epoch: 3", ["Did you mean 'gate.from_epoch' or 'correction.from_epoch'?"]),
    ("dino", "lda_dim: 3", ["no such key 'lda_dim'. It belongs to conf/backend.yaml"]),
    ("dino", "null: 3", ["no such key 'null'"]),
    ("dino", "<<: {epochs: 3}", ["no such key '<<'"]),
    ("dino", "optimiser.lr: 0.1", ["my.yaml:1: 'optimiser.lr': write `optimiser:` and, indented below it, `lr:`"]),
    # Settings that cancel each other.
    ("dlglc", "epochs: 6", ["my.yaml:1: correction.from_epoch", "begin in epoch 9, and the round has 6"]),
    ("dlglc", "gate:\n  mode: none", ["my.yaml:2: correction.mode: only labels that the gate refuses"]),
    ("fbank", "sample_rate: 8000\nhigh_freq: 7600", ["my.yaml:2: high_freq", "high <= 4000 Hz"]),
    ("augment", "snr_db:\n  music: [15, 5]", ["my.yaml:2: snr_db.music: the range goes from 15 down to 5 dB"]),
]

WORDS = [
    ("dino", ["epochs"], ["--set epochs: expected key=value"]),
    ("dino", ["=3"], ["--set =3: expected key=value"]),
    ("dino", ["head..outputs=3"], ["--set head..outputs=3: expected key=value"]),
    ("dino", ["epochs="], ["--set epochs=: epochs: must be a whole number of 0 or more, not null"]),
    ("dino", ["dino.epochs=x"], ["--set dino.epochs=x: epochs: must be"]),
    ("dino", ["dlglc.epochs=3"], ["no such key 'dlglc'. It belongs to conf/dlglc.yaml, which is not read here."]),
    ("dino", ["base=other.yaml"], ["--set base=other.yaml: no such key 'base'"]),
    ("dino", ["epochs.x=3"], ["--set epochs.x=3: epochs: must be a whole number of 0 or more, not {x: 3}"]),
    ("dino", ["optimiser=3", "optimiser.lr=0.1"], ["--set optimiser=3: optimiser: must be a section"]),
    ("dino", ["optimiser={lr: 1, lr: 2}"], ["'optimiser.lr' is set twice"]),
    ("dino", ["optimiser={lr: -1}"], ["--set optimiser={lr: -1}: optimiser.lr: must be a number above 0, not -1"]),
    ("dino", ["epochs=3\nbatch_size: 1"], ["--set epochs=3\\nbatch_size: 1: not valid YAML"]),
    ("dlglc", ["optimiser.warmup_epochs=2", "epochs=3"], ["--set epochs=3: gate.from_epoch: the gate would begin"]),
    ("dlglc", ["gate.from_epoch=16", "gate.min_kept=0"], ["--set gate.from_epoch=16: gate.from_epoch: the gate"]),
    ("augment", ['snr_db={"\\ud800": [3, 1]}'], ["snr_db.\\ud800: the range goes from 3 down to 1"]),
    ("backend", ["top_n=1"], ["--set top_n=1: top_n: the score of one cohort member has no standard deviation"]),
]


@pytest.mark.parametrize(("idea", "text", "parts"), FILES, ids=[text[:40] for _, text, _ in FILES])
def test_a_wrong_file_is_refused(tmp_path, monkeypatch, idea, text, parts):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(text)
    said = refusal(SCHEMAS[idea], path="my.yaml")
    assert [part for part in parts if part not in said] == [], said
    assert said.startswith("my.yaml:")


@pytest.mark.parametrize(("idea", "words", "parts"), WORDS, ids=[words[0][:40] for _, words, _ in WORDS])
def test_a_wrong_word_is_refused(idea, words, parts):
    said = refusal(SCHEMAS[idea], words)
    assert [part for part in parts if part not in said] == [], said


def test_all_mistakes_are_said_at_once_up_to_ten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.yaml").write_text("epochs: x\n")
    (tmp_path / "my.yaml").write_text("base: base.yaml\n" + "".join(f"key{number}: 1\n" for number in range(13)))
    lines = refusal(SCHEMAS["dino"], ["head.hidden=0"], "my.yaml").split("\n  ")
    assert lines[0].startswith("base.yaml:1: epochs: must be")
    assert [line.split(": ")[0] for line in lines[1:11]] == [f"my.yaml:{number}" for number in range(2, 12)]
    assert lines[11:] == ["and 3 more", "--set head.hidden=0: head.hidden: must be a whole number of 1 or more, not 0"]


@pytest.mark.parametrize(
    "word",
    [
        "student_temperature=.inf",
        "student_temperature=1e999",
        "student_temperature='1e999'",
        "student_temperature='-1'",
        "epochs=-1",
        "epochs='-1'",
        "epochs=2.5",
        "epochs=.nan",
        "epochs=nan",
        "epochs=[3]",
        "head='3'",
        "input=4",
        "optimiser.nesterov=maybe",
    ],
)
def test_nothing_is_proposed_that_is_not_valid(word):
    assert "Did you mean" not in refusal(SCHEMAS["dino"], [word])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (1e-5, "1e-05"),
        (float("nan"), ".nan"),
        (float("inf"), ".inf"),
        (float("-inf"), "-.inf"),
        ("soft", "'soft'"),
        ("a\nb", "'a\\nb'"),
        ([1, "x", None], "[1, 'x', null]"),
        ({"mode": "x", "n": [1.5]}, "{mode: 'x', n: [1.5]}"),
        ("x" * 1000, "'" + "x" * 80 + "…'"),
    ],
)
def test_values_are_shown_as_yaml_has_them(value, text):
    assert shown(value) == text


def test_ranges_in_words():
    def bounds(**limits):
        return describe_bounds(list(Field(**limits).metadata))

    assert bounds(ge=1) == "1 or more"
    assert bounds(gt=0) == "above 0"
    assert bounds(ge=0, le=1) == "0 to 1"
    assert bounds(ge=0, lt=1) == "0 or more and below 1"
    assert bounds(gt=0, lt=1) == "above 0 and below 1"
    assert describe_bounds([]) == ""
    assert describe(float, []) == "a number"
    assert (
        describe(dict[str, Annotated[int, Field(ge=2)]], [])
        == "a section in which each key has a whole number of 2 or more"
    )


def test_the_nearest_word():
    assert nearest("Dlgcl", SCHEMAS) == ". Did you mean 'dlglc'?"
    assert nearest("zzz", SCHEMAS) == ""
