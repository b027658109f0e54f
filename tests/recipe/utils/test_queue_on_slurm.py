"""queue.pl on a real Slurm of two nodes (tests/slurm/up.sh): what the stand-in of test_queue.py cannot know.

The contract that it shares with run.pl, test_wrappers.py, is held against the same Slurm.
"""

import signal
import subprocess

import pytest

from support.shells import ON_SLURM, Slurm
from support.waiting import PATIENCE, wait_for

pytestmark = ON_SLURM


@pytest.fixture(scope="module", autouse=True)
def time_limit(cluster, tmp_path_factory):
    """A job over its time limit. Slurm looks at the limits only every 30 s, so it starts before the other tests."""
    slurm = Slurm(tmp_path_factory.mktemp("limit"), cluster)
    process = slurm.start("queue.pl", "--time", "1", "log/limit.log", "touch", "go;", "sleep", "120")
    wait_for((slurm.cwd / "go").exists)
    slurm.control("update", f"JobId={slurm.job('limit.log')}", "EndTime=now")
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait()


def test_both_nodes_and_the_devices_are_used(slurm):
    line = "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES; touch go.JOB; until [ -e go.1 -a -e go.2 ]; do sleep 0.1; done"
    assert slurm("queue.pl", "--gpu", "1", "JOB=1:2", "log/a.JOB.log", "bash", "-c", line) == 0, slurm.err
    assert sorted(slurm.output(f"log/a.{job}.log")[0] for job in (1, 2)) == ["n1 0", "n2 0"]


def test_one_job_over_two_nodes(slurm):
    line = "echo $SLURM_PROCID $SLURMD_NODENAME $MASTER_ADDR ${MASTER_PORT:+port}"
    assert slurm("queue.pl", "--num-nodes", "2", "log/a.log", "srun", "bash", "-c", line) == 0, slurm.err
    assert sorted(slurm.output("log/a.log")) == ["0 n1 127.0.0.1 port", "1 n2 127.0.0.1 port"]


def test_max_jobs_run(slurm):
    line = "echo start >>order; sleep 0.3; echo end >>order"
    assert slurm("queue.pl", "--max-jobs-run", "1", "JOB=1:3", "log/a.JOB.log", "bash", "-c", line) == 0
    assert slurm.log("order") == ["start", "end"] * 3


def test_500_tasks(slurm):
    assert slurm("queue.pl", "--mem", "10M", "JOB=1:500", "log/a.JOB.log", "test", "JOB", "-ne", "77") == 1
    assert "1 / 500 failed" in slurm.err and "JOB=77: ended with status 1" in slurm.err
    assert slurm("queue.pl", "--pick", "failed", "JOB=1:500", "log/a.JOB.log", "echo", "again") == 0
    assert "1 of 500 jobs to run" in slurm.err
    assert [job for job in range(1, 501) if slurm.output(f"log/a.{job}.log")] == [77]


def test_sbatchs_refusal_is_shown(slurm):
    assert slurm("queue.pl", "--mem", "99999G", "log/a.log", "true") == 1
    assert "Memory specification can not be satisfied" in slurm.err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_whole_array(slurm, sent):
    line = "touch go; sleep 60"
    assert slurm.interrupt("queue.pl", "JOB=1:24", "log/i.JOB.log", "bash", "-c", line, until="go", sent=sent) == 2
    assert f"caught {sent.name}, cancelling job" in slurm.err
    wait_for(lambda: not slurm.ask("squeue", "--noheader", "--name=i.log"))


def test_a_requeued_job_is_waited_for(slurm):
    # The signal of the requeue often reaches the command before the shell around it, which then writes this trailer.
    trailer = "# Accounting: job=$SLURM_JOB_ID\\n# Finished at noon with status 143\\n"
    line = f'echo try >>tries; test $SLURM_RESTART_COUNT || {{ printf "{trailer}"; touch written; sleep 60; }}'
    process = slurm.start("queue.pl", "log/r.log", "bash", "-c", line)
    wait_for((slurm.cwd / "written").exists)
    job = slurm.job("r.log")
    slurm.control("requeue", job)
    slurm.restart(job)
    assert process.wait(timeout=PATIENCE) == 0, process.stderr.read()
    assert slurm.log("tries") == ["try", "try"]
    assert sum(line.startswith("# Running on ") for line in slurm.log("log/r.log")) == 2


def test_what_someone_cancels_is_said_and_not_submitted_again(slurm):
    process = slurm.start("queue.pl", "--max-retries", "2", "JOB=1:2", "log/c.JOB.log", "touch", "go.JOB;", "test",
                          "JOB", "=", "1", "||", "sleep", "60")  # fmt: skip
    wait_for((slurm.cwd / "go.2").exists)
    slurm.ask("scancel", slurm.job("c.log") + "_2")
    errors = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 1
    assert "1 / 2 failed" in errors and "JOB=2: Slurm state CANCELLED" in errors and "again" not in errors


def test_memory_that_runs_out_is_said(slurm):
    assert slurm("queue.pl", "--mem", "50M", "log/m.log", "perl", "-e", "my $x = 'a' x 3e8; sleep 60") == 1
    assert "Slurm state OUT_OF_MEMORY" in slurm.err and "raise --mem" in slurm.err


def test_what_failed_is_submitted_again(slurm):
    line = "echo x >>ran.JOB; test JOB -ne 2 || test $(wc -l <ran.2) = 3"
    assert slurm("queue.pl", "--max-retries", "2", "JOB=1:3", "log/a.JOB.log", "bash", "-c", line) == 0, slurm.err
    assert [len(slurm.log(f"ran.{job}")) for job in (1, 2, 3)] == [1, 3, 1]


def test_a_disk_that_fills_up_under_the_log(slurm):
    disk = slurm.cwd / "log"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        assert slurm("queue.pl", "log/a.log", "seq", "100000") == 1
    finally:
        subprocess.run(["umount", disk], check=True)
    assert "Slurm state FAILED" in slurm.err and "is the disk full" in slurm.err


def test_the_time_limit_is_said(time_limit):
    errors = time_limit.communicate(timeout=PATIENCE)[1]
    assert time_limit.returncode == 1
    assert "Slurm state TIMEOUT" in errors and "raise --time" in errors and "q/limit.log" in errors
