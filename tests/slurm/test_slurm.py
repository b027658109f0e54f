"""queue.pl on a real Slurm of two nodes, brought up for these tests by up.sh and torn down by down.sh."""

import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
QUEUE = HERE.parents[1] / "utils/queue.pl"
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch")
MISSING = [name for name in NEEDED if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        "SLURM_TESTS" not in os.environ, reason="SLURM_TESTS=1 brings a Slurm up; wants an idle machine"
    ),
    pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)} here: apt-get install slurm-wlm munge"),
    pytest.mark.skipif(os.getuid() != 0, reason="a Slurm of one's own is brought up as root only"),
]


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "SLURM_CONF": str(folder / "slurm.conf")}
    try:
        subprocess.run([HERE / "up.sh", folder], env=env, check=True)
        yield env
    finally:
        subprocess.run([HERE / "down.sh", folder], env=env, check=True)


@pytest.fixture(scope="module")
def time_limit(env, tmp_path_factory):
    """A job over its time limit. Slurm looks at the limits only every 30 s, so it starts before the other tests."""
    cwd = tmp_path_factory.mktemp("limit")
    process = start(env, cwd, "--time", "1", "log/limit.log", "touch", "go;", "sleep", "120")
    wait_for((cwd / "go").exists)
    scontrol(env, "update", f"JobId={job_id(env, 'limit.log')}", "EndTime=now")
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait()


class Slurm:
    def __init__(self, env, cwd):
        self.env, self.cwd = env, cwd

    def __call__(self, *words):
        process = start(self.env, self.cwd, *words)
        self.out, self.err = process.communicate(timeout=50)
        return process.returncode

    def start(self, *words):
        return start(self.env, self.cwd, *words)

    def output(self, path):
        return [line for line in (self.cwd / path).read_text().splitlines() if not line.startswith("# ")]


@pytest.fixture
def slurm(env, time_limit, tmp_path):
    return Slurm(env, tmp_path)


def start(env, cwd, *words):
    return subprocess.Popen(
        [QUEUE, *words], cwd=cwd, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def ask(env, *command):
    return subprocess.run(command, env=env, text=True, capture_output=True, check=True).stdout.split()


def scontrol(env, *words):
    ask(env, "scontrol", *words)


def job_id(env, name):
    return ask(env, "squeue", "--noheader", f"--name={name}", "--format=%F")[0]


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_words_and_numbers_reach_the_tasks_of_an_array(slurm):
    words = ["a  b JOB", 'it\'s "both"', "$HOME `date`", "話者 * |", ""]
    assert slurm("--mem", "100M", "JOB=1:8", "log/a.JOB.log", "printf", "'<%s>\\n'", *words) == 0, slurm.err
    for job in range(1, 9):
        assert slurm.output(f"log/a.{job}.log") == [f"<{word}>".replace("JOB", str(job)) for word in words]


def test_both_nodes_and_the_devices_are_used(slurm):
    line = "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES; sleep 1"
    assert slurm("--gpu", "1", "JOB=1:2", "log/a.JOB.log", "bash", "-c", line) == 0, slurm.err
    assert sorted(slurm.output(f"log/a.{job}.log")[0] for job in (1, 2)) == ["n1 0", "n2 0"]


def test_one_job_over_two_nodes(slurm):
    line = "echo $SLURM_PROCID $MASTER_ADDR ${MASTER_PORT:+port}"
    assert slurm("--num-nodes", "2", "log/a.log", "srun", "bash", "-c", line) == 0, slurm.err
    assert sorted(slurm.output("log/a.log")) == ["0 n1 port", "1 n1 port"]


def test_max_jobs_run(slurm):
    line = "echo start >>order; sleep 0.3; echo end >>order"
    assert slurm("--max-jobs-run", "1", "JOB=1:3", "log/a.JOB.log", "bash", "-c", line) == 0
    assert (slurm.cwd / "order").read_text().split() == ["start", "end"] * 3


def test_what_failed_is_named_and_picked(slurm):
    call = ("JOB=1:5", "log/a.JOB.log", "echo", "x", ">>ran.JOB;", "test", "-e", "good", "-o", "JOB", "-ne", "3")
    assert slurm(*call) == 1
    assert "1 / 5 failed, log is in log/a.*.log" in slurm.err and "JOB=3: ended with status 1" in slurm.err
    (slurm.cwd / "good").touch()
    assert slurm("--pick", "failed", *call) == 0
    assert [(slurm.cwd / f"ran.{job}").read_text().count("x") for job in range(1, 6)] == [1, 1, 2, 1, 1]


def test_sbatchs_refusal_is_shown(slurm):
    assert slurm("--mem", "99999G", "log/a.log", "true") == 1
    assert "Memory specification can not be satisfied" in slurm.err


def test_a_signal_cancels_the_whole_array(slurm):
    process = slurm.start("JOB=1:3", "log/i.JOB.log", "touch", "go;", "sleep", "60")
    wait_for((slurm.cwd / "go").exists)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 2
    running = ("squeue", "--noheader", "--name=i.log")
    wait_for(lambda: not ask(slurm.env, *running))


def test_a_requeued_job_is_waited_for(slurm):
    process = slurm.start("log/r.log", "echo", "try", ">>tries;", "test", "$SLURM_RESTART_COUNT", "||", "sleep", "60")
    wait_for((slurm.cwd / "tries").exists)
    job = job_id(slurm.env, "r.log")
    scontrol(slurm.env, "requeue", job)
    state = ("squeue", "--noheader", f"--jobs={job}", "--format=%T")
    wait_for(lambda: ask(slurm.env, *state) == ["PENDING"])
    scontrol(slurm.env, "update", f"JobId={job}", "StartTime=now")  # Slurm would let two minutes pass
    assert process.wait(timeout=30) == 0, process.stderr.read()
    assert (slurm.cwd / "tries").read_text() == "try\ntry\n"
    assert (slurm.cwd / "log/r.log").read_text().count("# Running on ") == 2


def test_tasks_that_slurm_ends_are_explained(slurm, time_limit):
    hog = "my $x = 'a' x 3e8; sleep 60"
    cancelled = slurm.start("--max-retries", "2", "JOB=1:2", "log/c.JOB.log", "touch", "go;", "test", "JOB", "=", "1",
                            "||", "sleep", "60")  # fmt: skip
    wait_for((slurm.cwd / "go").exists)
    ask(slurm.env, "scancel", job_id(slurm.env, "c.log") + "_2")
    with ThreadPoolExecutor() as pool:
        memory = pool.submit(slurm, "--mem", "50M", "log/m.log", "perl", "-e", hog)
        errors = cancelled.communicate(timeout=30)[1]
        assert cancelled.returncode == 1
        assert "1 / 2 failed" in errors and "JOB=2: Slurm state CANCELLED" in errors and "again" not in errors
        assert memory.result() == 1
    assert "Slurm state OUT_OF_MEMORY" in slurm.err and "raise --mem" in slurm.err
    errors = time_limit.communicate(timeout=40)[1]
    assert time_limit.returncode == 1
    assert "Slurm state TIMEOUT" in errors and "raise --time" in errors and "q/limit.log" in errors
