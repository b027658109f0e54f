"""A small part of the trials of run.sh: mutated inputs of every reader, signals and limits to every step."""

import os
from contextlib import contextmanager

import pytest

from faults import surroundings
from faults.environment import limit_files, on_full_disk
from faults.forks import warm_up
from faults.inputs import GOOD, mutated
from faults.kills import moments
from faults.ranks import Ranks
from faults.readers import READERS

INPUTS = 40  # of each reader
SIGNALS = 12  # over all steps
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
    assert sum(counts.values()) == sum(counts[kind] for kind in GOOD) >= min(10, INPUTS // READERS[name].cost)


@contextmanager
def only(kitchen, *names):
    """The kitchen with some of its steps."""
    kitchen.steps, steps = [step for step in kitchen.steps if step.name in names], kitchen.steps
    try:
        yield kitchen
    finally:
        kitchen.steps = steps


def wrong_of(trials):
    """The trials after which something was wrong; there have to be trials."""
    trials = list(trials)
    assert trials
    return [trial for trial in trials if trial[-1]]


@with_kitchen
def test_steps_that_were_killed_end_with_the_same_bytes(kitchen):
    with only(kitchen, *(step.name for step in kitchen.steps[::2])):
        trials = [(step.name, moment, kitchen.trial(step, moment)) for step, moment in moments(kitchen, SIGNALS, 1)]
    assert wrong_of(trials) == []


@with_kitchen
def test_steps_whose_files_may_not_grow_say_so_and_go_on_later(kitchen):
    with only(kitchen, "pack", "fbank", "dino", "plda", "bundle", "embed npz", "enrol"):
        wrong = wrong_of((step.name, kitchen.trial(step, before=limit_files(1 << 12))) for step in kitchen.steps)
    assert wrong == []


@with_kitchen
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk, or become another user")
def test_full_disks_and_missing_permissions(kitchen):
    with only(kitchen, "pack", "plda"):
        assert wrong_of(on_full_disk(kitchen)) == []
    with only(kitchen, "plda", "bundle", "cluster", "embed npz"):
        assert wrong_of(surroundings.without_permission(kitchen)) == []


@with_kitchen
def test_files_that_change_while_they_are_read_and_files_with_strange_times(kitchen):
    with only(kitchen, "finish", "fbank", "plda", "score"):
        assert wrong_of(surroundings.with_changing_files(kitchen)) == []
    with only(kitchen, "embed", "cluster", "bundle"):
        assert wrong_of(surroundings.with_strange_times(kitchen)) == []


@with_kitchen
def test_two_that_do_the_same_at_once_end_with_one_result(kitchen):
    with only(kitchen, "pack", "cluster", "plda", "embed ark", "enrol"):
        assert wrong_of(surroundings.two_at_once(kitchen)) == []


@with_kitchen
@pytest.mark.skipif(not surroundings.FAKETIME, reason="no libfaketime here: apt-get install faketime")
def test_a_training_while_the_clock_jumps(kitchen):
    with only(kitchen, "dino"):
        assert wrong_of(surroundings.with_jumping_clock(kitchen)) == []


@with_kitchen
def test_a_trial_notices_what_is_wrong(kitchen):
    """Else it would say for ever that all is well."""
    step = next(step for step in kitchen.steps if step.name == "pack")
    kept = kitchen.expected[step.name]
    kitchen.expected[step.name] = {**kept, "data/train/wav.ark": b"other"}
    try:
        assert "other contents: ['data/train/wav.ark']" in kitchen.trial(step, before=limit_files(1 << 30))
    finally:
        kitchen.expected[step.name] = kept


def test_a_training_that_loses_one_of_two_processes_says_so_and_goes_on(tmp_path, tiny):
    warm_up()
    trials = list(Ranks(tmp_path, tiny).trials(1, seed=0))
    assert [trial for trial in trials if trial[1]] == []
