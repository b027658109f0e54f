"""The commands under test are run as a user runs them, in a folder of their own."""

import os
import subprocess

import pytest

from support.scripts import ROOT
from support.shells import ON_SLURM, SBIN, Shell, Slurm

UP_DOWN = ROOT / "tests/slurm"
SBATCH = r"""#!/usr/bin/env bash
# Stands in for Slurm: runs the tasks one after the other in the background and prints a job number.
printf '%s\n' "$*" >>"$STUB/calls"
[ ! -f "$STUB/before" ] || . "$STUB/before"
[ ! -f "$STUB/refuse" ] || { cat "$STUB/refuse" >&2; exit 1; }
export SLURM_JOB_ID=$((100 + $(wc -l <"$STUB/calls")))
export SLURM_ARRAY_JOB_ID=$SLURM_JOB_ID
for word; do case $word in --array=*) array=${word#*=} array=${array%\%*} ;; esac; done
for part in ${array//,/ }; do tasks+=" $(seq ${part%-*} ${part#*-})"; done
(for task in ${tasks:-0}; do SLURM_ARRAY_TASK_ID=$task bash "${!#}"; done) >>"$STUB/out" 2>&1 &
echo $! >"$STUB/pid"
echo "$SLURM_JOB_ID"
"""


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


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A real Slurm of two nodes; its environment."""
    folder = tmp_path_factory.mktemp("slurm")
    env = {**os.environ, "PATH": SBIN, "SLURM_CONF": str(folder / "slurm.conf")}
    try:
        subprocess.run([UP_DOWN / "up.sh", folder], env=env, check=True)
        yield env
    finally:
        subprocess.run([UP_DOWN / "down.sh", folder], env=env, check=True)


@pytest.fixture
def slurm(cluster, tmp_path):
    return Slurm(tmp_path, cluster)


@pytest.fixture(params=["run.pl", "queue.pl", pytest.param("slurm", marks=ON_SLURM)])
def wrapper(request):
    """(name, shell): what holds for both wrappers is tested on both, and for queue.pl on a real Slurm, too."""
    if request.param == "slurm":
        return "queue.pl", request.getfixturevalue("slurm")
    return request.param, request.getfixturevalue("stub")
