"""Commands of utils/ as a user runs them, in a folder of their own; on a real Slurm, too, where there is one."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support.scripts import ROOT
from support.waiting import PATIENCE, wait_for

UTILS = ROOT / "utils"
SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"
MISSING = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if not shutil.which(name, path=SBIN)]
NO_SLURM = (
    "SLURM_TESTS=1 brings a Slurm up and runs this"
    if "SLURM_TESTS" not in os.environ
    else "a Slurm of one's own is brought up as root only"
    if os.getuid() != 0
    else f"no {', '.join(MISSING)} here: apt-get install slurm-wlm munge"
    if MISSING
    else ""
)
ON_SLURM = [pytest.mark.slurm, pytest.mark.skipif(bool(NO_SLURM), reason=NO_SLURM)]


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
        self.out, self.err = process.communicate(timeout=PATIENCE)
        return process.returncode

    def interrupt(self, name, *words, until: str, sent=signal.SIGINT):
        """Runs the command, sends it a signal once the file `until` exists, and returns its status."""
        process = self.start(name, *words)
        wait_for((self.cwd / until).exists)
        process.send_signal(sent)
        self.out, self.err = process.communicate(timeout=PATIENCE)
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


class Slurm(Shell):
    """queue.pl on the real Slurm; also asks and tells it."""

    def __init__(self, cwd, env):
        super().__init__(cwd)
        self.env = dict(env)

    def ask(self, *command):
        return subprocess.run(
            list(map(str, command)), env=self.env, text=True, capture_output=True, check=True
        ).stdout.split()

    def control(self, *words):
        self.ask("scontrol", *words)

    def job(self, name, what="%F"):
        """The number (or another squeue field) of the job whose log has this name."""
        return self.ask("squeue", "--noheader", f"--name={name}", f"--format={what}")[0]

    def restart(self, job):
        """Lets a requeued job start; Slurm would let two minutes pass, and refuses the second of the requeue itself."""
        wait_for(lambda: self.ask("squeue", "--noheader", f"--jobs={job}", "--format=%T") == ["PENDING"])
        self.control("update", f"JobId={job}", "StartTime=now+2")

    def node(self, name, state):
        self.control("update", f"NodeName={name}", f"State={state}", "Reason=test")
