"""run.sh that is killed: nothing of it stays, and the same command goes on."""

import os
import shlex
import shutil
import signal
import subprocess

import numpy as np
import pytest

from dlglc.data.audio import Recordings
from faults import whole_runs
from support import chain
from support.scripts import ROOT
from support.training import SMALL
from support.waiting import Hold, wait_for

STAGE = ["./run.sh", "--stage", "3", "--stop-stage", "3", "--ngpu", "0"]
SETTINGS = [word for setting in (*SMALL, "checkpoint_minutes=0") for word in ("--set", f"dino.{setting}")]
SETTINGS += ["--set", "cluster.num_clusters=4"]


@pytest.fixture(scope="module")
def tree(once, tiny):
    """A tree whose trainings can be held."""

    def make(top):
        chain.make_tiny_tree(top, tiny)
        shutil.copy(ROOT / "tests/support/hold/sitecustomize.py", top / "steps")

    return once("killed", make)


def start(tree, folder, *words):
    """run.sh, once its training stands still in mid-epoch."""
    hold = Hold(folder, 6)
    environment = {**os.environ, **chain.ENVIRONMENT, "HOLD": hold.words, whole_runs.MARK: folder.name}
    words = [*STAGE, *SETTINGS, *words]
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            words, cwd=tree, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    hold.wait(process)
    return process


def test_a_signal_to_run_sh_alone_ends_its_jobs_as_well(tree, tmp_path):
    """bash hears no signal while it waits for a command in the foreground; and nobody hears SIGKILL."""
    process = start(tree, tmp_path / "stopped")
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    assert "--stage 3 with the same options goes on there" in (tmp_path / "stopped/output").read_text()
    assert not whole_runs.processes_of("stopped")


def test_all_processes_end_with_the_run_sh_that_was_killed(tree, tmp_path):
    """Those of a training of two, which torchrun starts in sessions of their own, as well."""
    process = start(tree, tmp_path / "killed", "--ngpu", "2", "--device", "cpu", "--exp", "exp/two")
    process.kill()
    process.wait()
    wait_for(lambda: not whole_runs.processes_of("killed"), "processes of a run that is gone")


def test_two_arrays_of_jobs_on_the_same_data_at_once(tree, tiny):
    words = ["utils/map_data.sh", "--nj", "3", tiny / "train", tree / "data/twice", "wav.scp,utt2num_samples"]
    words = [str(word) for word in (*words, "steps/pack_audio.py")]
    lines = f". ./path.sh; {shlex.join(words)}"
    environment = {**os.environ, **chain.ENVIRONMENT}
    both = [subprocess.Popen(["bash", "-c", lines], cwd=tree, env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    one, other = Recordings(tiny / "train"), Recordings(tree / "data/twice")
    assert list(one.ids) == list(other.ids)
    assert all(np.array_equal(one.read(i), other.read(i)) for i in range(len(one.ids)))
    assert not list((tree / "data/twice").rglob("in_use.json"))
