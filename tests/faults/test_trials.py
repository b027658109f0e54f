"""A small part of the trials of run.sh: mutated inputs of every reader, signals and limits to every step."""

import os

import pytest

from faults.environment import limit_files, on_full_disk
from faults.forks import run_script, warm_up
from faults.inputs import GOOD, mutated
from faults.kills import moments
from faults.ranks import Ranks
from faults.readers import READERS
from support import scripts

INPUTS = 40  # of each reader
SIGNALS = 18  # over all steps
WITH_KITCHEN = (pytest.mark.slow, pytest.mark.xdist_group("kitchen"))  # one worker of xdist prepares it


def with_kitchen(test):
    """Mark a test that needs the kitchen."""
    for mark in WITH_KITCHEN:
        test = mark(test)
    return test


@pytest.mark.parametrize("name", READERS)
def test_mutated_inputs_are_handled_or_refused(tmp_path, name):
    counts, failures = mutated(name, INPUTS // READERS[name].cost, tmp_path)
    assert failures == []
    assert sum(counts.values()) == sum(counts[kind] for kind in GOOD) >= 10


@with_kitchen
def test_steps_that_were_killed_end_with_the_same_bytes(kitchen):
    wrong = [(step.name, moment, kitchen.trial(step, moment)) for step, moment in moments(kitchen, SIGNALS, seed=1)]
    assert [trial for trial in wrong if trial[2]] == []


@with_kitchen
def test_steps_whose_files_may_not_grow_say_so_and_go_on_later(kitchen):
    wrong = [(step.name, kitchen.trial(step, before=limit_files(1 << 12))) for step in kitchen.steps]
    assert [trial for trial in wrong if trial[1]] == []


@with_kitchen
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_packing_and_training_on_a_full_disk(kitchen):
    kitchen.steps, steps = [step for step in kitchen.steps if step.name in ("train", "plda")], kitchen.steps
    try:
        trials = list(on_full_disk(kitchen))
    finally:
        kitchen.steps = steps
    assert [trial for trial in trials if trial[1]] == []


@with_kitchen
def test_a_trial_notices_what_is_wrong(kitchen):
    """Else it would say for ever that all is well."""
    step = kitchen.steps[0]
    kitchen.reset(step)
    kept = kitchen.expected[step.name]
    kitchen.expected[step.name] = {**kept, "wav.ark": b"other"}
    try:
        assert "other contents: ['wav.ark']" in kitchen.trial(step, before=limit_files(1 << 30))
    finally:
        kitchen.expected[step.name] = kept


@with_kitchen
def test_two_that_pack_at_once_end_with_one_result(tmp_path, tiny, kitchen):
    words = ["steps/pack_audio.py", tiny / "train", tmp_path / "out"]
    both = [scripts.start(*words) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    packed = (tmp_path / "out/wav.ark").read_bytes()
    assert not (tmp_path / "out/in_use.json").exists()
    (tmp_path / "alone").mkdir()
    assert run_script([*words[:2], tmp_path / "alone"], tmp_path).status == 0
    assert (tmp_path / "alone/wav.ark").read_bytes() == packed


def test_a_training_that_loses_one_of_two_processes_says_so_and_goes_on(tmp_path, tiny):
    warm_up()
    trials = list(Ranks(tmp_path, tiny).trials(2, seed=0))
    assert [trial for trial in trials if trial[1]] == []
