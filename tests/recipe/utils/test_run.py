"""What only run.pl does: local concurrency, devices, stopping."""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from support.waiting import wait_for


def alive(pid):
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_unknown_options_are_for_other_wrappers(shell):
    assert shell("run.pl", "--config", "none", "-pe", "smp", "4", "-V", "--time", "1", "log/a.log", "true") == 0
    assert (shell.out, shell.err) == ("", "")


def test_max_jobs_run_holds_back(shell):
    line = "echo start JOB >>order; sleep 0.05; echo end JOB >>order"
    assert shell("run.pl", "--max-jobs-run", "5", "-tc", "1", "JOB=1:3", "log/a.JOB.log", "bash", "-c", line) == 0
    assert shell.log("order") == [f"{what} {job}" for job in (1, 2, 3) for what in ("start", "end")]


def test_each_job_gets_a_device(shell):
    shell.env["CUDA_VISIBLE_DEVICES"] = "4,GPU-ab,6"
    # Three jobs fill the devices; each waits until all of them run, so that none can take another's after it.
    line = "echo $CUDA_VISIBLE_DEVICES; touch go.JOB; n=$(((JOB - 1) / 3 * 3)); "
    line += "until [ -e go.$((n + 1)) -a -e go.$((n + 2)) -a -e go.$((n + 3)) ]; do sleep 0.02; done"
    assert shell("run.pl", "--gpu", "1", "JOB=1:6", "a.JOB.log", "bash", "-c", line) == 0
    used = [shell.output(f"a.{job}.log")[0] for job in range(1, 7)]
    assert used[:3] == ["4", "GPU-ab", "6"] and sorted(used[3:]) == sorted(used[:3])
    assert shell("run.pl", "--gpu", "2", "log/b.log", "echo", "$CUDA_VISIBLE_DEVICES") == 0
    assert shell.output("log/b.log") == ["4,GPU-ab"]
    assert shell("run.pl", "--gpu", "4", "log/b.log", "true") == 1 and "only 3 visible" in shell.err


def test_devices_are_left_alone_unless_asked_for(shell):
    shell.env["CUDA_VISIBLE_DEVICES"] = "4,5"
    assert shell("run.pl", "--gpu", "0", "JOB=1:2", "log/a.JOB.log", "echo", "$CUDA_VISIBLE_DEVICES") == 0
    assert shell.output("log/a.2.log") == ["4,5"]
    shell.env["CUDA_VISIBLE_DEVICES"] = ""
    assert shell("run.pl", "--gpu", "1", "log/b.log", "true") == 0
    assert "no device is to be seen" in shell.err


def test_the_devices_of_nvidia_smi(shell):
    shell.env.pop("CUDA_VISIBLE_DEVICES", None)
    smi = shell.write("bin/nvidia-smi", "#!/bin/sh\necho 'GPU 0: X (UUID: a)'\necho 'GPU 1: X (UUID: b)'\n")
    smi.chmod(0o755)
    shell.env["PATH"] = f"{shell.cwd}/bin:{shell.env['PATH']}"
    assert shell("run.pl", "--gpu", "1", "JOB=1:2", "log/a.JOB.log", "echo", "$CUDA_VISIBLE_DEVICES") == 0
    assert [shell.output(f"log/a.{job}.log") for job in (1, 2)] == [["0"], ["1"]]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_jobs_and_their_children(shell, sent):
    line = "sleep 60 & echo $! >pid.JOB; test JOB = 1 || touch go; wait"
    assert shell.interrupt("run.pl", "--max-jobs-run", "2", "JOB=1:3", "log/a.JOB.log", "bash", "-c", line,
                           until="go", sent=sent) == 2  # fmt: skip
    pids = [int((shell.cwd / f"pid.{job}").read_text()) for job in (1, 2)]
    wait_for(lambda: not any(alive(pid) for pid in pids), "children are left behind")
    assert not (shell.cwd / "pid.3").exists() and sent.name in shell.err


def test_the_jobs_end_when_the_run_sh_that_they_belong_to_is_gone(shell):
    with subprocess.Popen(["sleep", "60"]) as run_sh:
        shell.env["RUN_SH"] = f"{socket.gethostname()}:{run_sh.pid}"
        process = shell.start("run.pl", "log/a.log", "bash", "-c", "echo $$ >pid; touch go; sleep 60")
        wait_for((shell.cwd / "go").exists)
        run_sh.kill()
        errors = process.communicate()[1]
    assert process.returncode == 2 and "caught SIGKILL of run.sh, stopping 1 jobs" in errors
    wait_for(lambda: not alive(int((shell.cwd / "pid").read_text())), "the job is left behind")


def test_a_job_that_ignores_term_is_killed(shell):
    line = 'trap "" TERM; touch go; while :; do sleep 0.2; done'
    assert shell.interrupt("run.pl", "log/a.log", "bash", "-c", line, until="go") == 2
    assert "signal 9" in shell.log("log/a.log")[-1]


def test_500_jobs(shell):
    assert shell("run.pl", "JOB=1:500", "log/a.JOB.log", "true") == 0
    assert len(list((shell.cwd / "log").iterdir())) == 500


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core runs one job at a time")
def test_the_threads_of_a_job_do_not_limit_the_jobs(shell):
    shell.env["OMP_NUM_THREADS"] = "1"  # which nproc would answer with
    line = "touch go.JOB; for i in {1..6000}; do [ -e go.1 -a -e go.2 ] && exit 0; sleep 0.05; done; exit 1"
    assert shell("run.pl", "JOB=1:2", "log/a.JOB.log", "bash", "-c", line) == 0
