"""The commands under test are run as a user runs them, in a folder of their own."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

UTILS = Path(__file__).resolve().parents[2] / "utils"

SBATCH = r"""#!/usr/bin/env bash
# Stands in for Slurm: runs the tasks one after the other in the background and prints a job number.
printf '%s\n' "$*" >>"$STUB/calls"
[ ! -f "$STUB/refuse" ] || { cat "$STUB/refuse" >&2; exit 1; }
export SLURM_JOB_ID=$((100 + $(wc -l <"$STUB/calls")))
export SLURM_ARRAY_JOB_ID=$SLURM_JOB_ID
for word; do case $word in --array=*) array=${word#*=} array=${array%\%*} ;; esac; done
for part in ${array//,/ }; do tasks+=" $(seq ${part%-*} ${part#*-})"; done
(for task in ${tasks:-0}; do SLURM_ARRAY_TASK_ID=$task bash "${!#}"; done) >>"$STUB/out" 2>&1 &
echo $! >"$STUB/pid"
echo "$SLURM_JOB_ID"
"""


class Shell:
    """Runs utils/NAME with words; keeps status, standard output and error of the last run."""

    def __init__(self, cwd: Path):
        self.cwd = cwd
        self.env = dict(os.environ)

    def start(self, name, *words, **options):
        command = [str(UTILS / name), *map(str, words)]
        return subprocess.Popen(
            command,
            cwd=self.cwd,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            **options,
        )

    def __call__(self, name, *words):
        process = self.start(name, *words)
        self.out, self.err = process.communicate(timeout=60)
        return process.returncode

    def interrupt(self, name, *words, until: str, sent=signal.SIGINT):
        """Runs the command, sends it a signal once the file `until` exists, and returns its status."""
        process = self.start(name, *words)
        wait_for((self.cwd / until).exists)
        process.send_signal(sent)
        self.out, self.err = process.communicate(timeout=30)
        return process.returncode

    def log(self, path):
        return (self.cwd / path).read_text().splitlines()

    def output(self, path):
        """What the job itself wrote."""
        return [line for line in self.log(path) if not line.startswith("# ") and line != "#"]

    def write(self, path, text):
        path = self.cwd / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


@pytest.fixture
def stub(shell):
    """The shell, with a stand-in for Slurm on its PATH; the folder `stub` holds what was asked of it."""
    shell.write("stub/states", "")
    shell.write("bin/sbatch", SBATCH)
    shell.write("bin/squeue", '#!/bin/sh\ncat "$STUB/states"\n')
    shell.write("bin/scancel", '#!/bin/sh\necho "$*" >>"$STUB/cancelled"\nkill "$(cat "$STUB/pid")"\n')
    for program in (shell.cwd / "bin").iterdir():
        program.chmod(0o755)
    shell.env.update(PATH=f"{shell.cwd}/bin:{os.environ['PATH']}", STUB=f"{shell.cwd}/stub")
    return shell


@pytest.fixture(params=["run.pl", "queue.pl"])
def wrapper(request, stub):
    """(name, shell): what holds for both wrappers is tested on both."""
    return request.param, stub
