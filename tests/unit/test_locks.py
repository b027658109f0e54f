"""One process in a folder: refused by name, waited for, and free again however its holder ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from dlglc import locks
from dlglc.errors import RecipeError
from dlglc.locks import NAME, only_process
from support.audio_files import unprivileged
from support.scripts import environment
from support.waiting import wait_for

# A shell lets its background processes ignore SIGINT, and children inherit that.
HOLD = """
import signal, sys, time
from pathlib import Path
from dlglc.locks import only_process
signal.signal(signal.SIGINT, signal.default_int_handler)
with only_process(Path(sys.argv[1]), False, "go elsewhere"):
    Path(sys.argv[2]).touch()
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds tmp_path/run."""
    words = [sys.executable, "-c", HOLD, str(tmp_path / "run"), str(tmp_path / "held")]
    process = subprocess.Popen(words, env=environment())
    wait_for((tmp_path / "held").exists)
    yield process
    process.kill()
    process.wait()


def test_another_process_is_refused_and_told_who_holds_the_folder(tmp_path, holder):
    with (
        pytest.raises(
            RecipeError, match=rf"run: in use by process {holder.pid} on {socket.gethostname()}.*go elsewhere"
        ),
        only_process(tmp_path / "run", False, "go elsewhere"),
    ):
        pass
    assert holder.poll() is None


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_folder_is_free_when_its_holder_was_killed(tmp_path, holder, sent):
    holder.send_signal(sent)
    holder.wait()
    with only_process(tmp_path / "run", False):
        assert json.loads((tmp_path / "run" / NAME).read_text())["pid"] == os.getpid()
    assert list((tmp_path / "run").iterdir()) == []


def test_one_that_waits_goes_on_when_the_other_ends(tmp_path, holder):
    holder.send_signal(signal.SIGSTOP)  # slow is not dead
    waiting = subprocess.Popen(
        [sys.executable, "-c", HOLD.replace("False", "True"), str(tmp_path / "run"), str(tmp_path / "second")],
        env=environment(),
    )
    time.sleep(1)
    assert not (tmp_path / "second").exists()
    holder.kill()
    wait_for((tmp_path / "second").exists)
    waiting.kill()
    waiting.wait()


def of_another_machine(folder, **changes):
    folder.mkdir(exist_ok=True)
    holder = {"host": "far", "pid": 12, "start": "77", "since": "noon", "command": "steps/train_dino.py", "beat": 4}
    (folder / NAME).write_text(json.dumps(holder | changes))


def test_a_silent_holder_of_another_machine_is_dead(tmp_path, monkeypatch):
    """The kernel's lock may not reach other machines, so that having it proves nothing against them."""
    monkeypatch.setattr(locks, "SILENCE", 1.0)
    of_another_machine(tmp_path / "run")
    started = time.monotonic()
    with only_process(tmp_path / "run", False):
        assert time.monotonic() - started >= 1.0


def test_a_holder_of_another_machine_that_gives_signs_of_life_is_refused(tmp_path, monkeypatch):
    beats = iter(range(1000))
    monkeypatch.setattr(locks.time, "sleep", lambda _: of_another_machine(tmp_path / "run", beat=next(beats)))
    of_another_machine(tmp_path / "run")
    with pytest.raises(RecipeError, match="process 12 on far, since noon"), only_process(tmp_path / "run", False):
        pass


def test_without_locks_of_the_file_system_a_living_process_of_this_machine_counts(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(locks.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "lockf", no_locks)
    monkeypatch.setattr(locks, "SILENCE", 0.5)
    of_another_machine(tmp_path / "run", host=socket.gethostname(), pid=os.getpid(), start="of another one")
    with only_process(tmp_path / "run", False):  # the number is used again
        pass
    beats = iter(range(1000))
    mine = {"host": socket.gethostname(), "pid": os.getpid(), "start": locks._start_of(os.getpid())}
    monkeypatch.setattr(locks.time, "sleep", lambda _: of_another_machine(tmp_path / "run", **mine, beat=next(beats)))
    of_another_machine(tmp_path / "run", **mine)
    with pytest.raises(RecipeError, match="in use by"), only_process(tmp_path / "run", False):
        pass


def test_a_file_of_a_crash_holds_nobody_up(tmp_path):
    for content in (b"", b"{", b"[1]", b"\xff\xfe", b"null"):
        (tmp_path / NAME).write_bytes(content)
        with only_process(tmp_path, False):
            pass


def test_in_a_folder_that_cannot_be_written_to_there_is_nothing_to_lock():
    with unprivileged() as folder:
        (folder / "done").mkdir(mode=0o500)
        with only_process(folder / "done", False):
            assert list((folder / "done").iterdir()) == []


def test_ctrl_c_while_a_folder_is_given_back_leaves_no_file(tmp_path, monkeypatch):
    removed = []

    def unlink(path, missing_ok=False):
        removed.append(path)
        if len(removed) == 1:
            raise KeyboardInterrupt
        os.unlink(path)

    monkeypatch.setattr(locks.Path, "unlink", unlink)
    with pytest.raises(KeyboardInterrupt), only_process(tmp_path, False):
        pass
    assert list(tmp_path.iterdir()) == []
