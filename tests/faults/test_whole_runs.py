"""run.sh that is killed: nothing of it stays, and the same command goes on."""

import os
import shutil
import signal
import subprocess

import pytest

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
    """A tree whose trainings can be held; tests leave nothing in exp/."""

    def make(top):
        chain.make_tiny_tree(top, tiny)
        shutil.copy(ROOT / "tests/support/hold/sitecustomize.py", top / "steps")

    return once("killed", make)


def start(tree, folder, *words):
    """run.sh, once its training stands still in mid-epoch."""
    hold = Hold(folder, 6)
    environment = {**os.environ, **chain.ENVIRONMENT, "HOLD": hold.words, whole_runs.MARK: folder.name}
    words = [*STAGE, *SETTINGS, *words]
    process = subprocess.Popen(
        words, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    hold.wait(process)
    return process


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_run_sh_alone_ends_its_jobs_as_well(tree, tmp_path, sent):
    process = start(tree, tmp_path / sent.name)
    process.send_signal(sent)
    said = process.communicate()[0].decode()
    assert process.returncode == {"SIGTERM": 143, "SIGINT": 130, "SIGHUP": 129, "SIGKILL": -9}[sent.name]
    assert sent == signal.SIGKILL or "--stage 3 with the same options goes on there" in said
    wait_for(lambda: not whole_runs.processes_of(sent.name), "processes of a run that is gone")
    chain.command(tree, *STAGE, *SETTINGS)
    assert not list((tree / "exp").rglob("in_use.json")) and (tree / "exp/mini/dino/model.pt").exists()
    shutil.rmtree(tree / "exp")


def test_two_processes_of_a_training_end_with_the_run_sh_that_was_killed(tree, tmp_path):
    """torchrun starts them in sessions of their own."""
    process = start(tree, tmp_path / "ranks", "--ngpu", "2", "--device", "cpu")
    process.kill()
    process.communicate()
    wait_for(lambda: not whole_runs.processes_of("ranks"), "processes of a run that is gone")
    shutil.rmtree(tree / "exp")


def test_stages_that_are_killed_end_with_the_same_bytes(tmp_path, tiny):
    runs = whole_runs.WholeRuns(tmp_path, tiny, ("--stop-stage", "2"))
    runs.undisturbed()
    results = runs.disturbed(3, seed=5)
    assert [result for result in results if result[1]] == [] and len(results) > 2
