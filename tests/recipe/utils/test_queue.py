"""What only queue.pl does: the configuration, what sbatch is told, and the verdict of tasks that leave no trailer."""

import signal
import socket
import subprocess

import pytest

from support.waiting import wait_for


def calls(shell):
    return (shell.cwd / "stub/calls").read_text().splitlines()


def test_sbatch_gets_the_options_in_the_order_of_the_configuration(stub):
    assert stub("queue.pl", "--gpu", "2", "--time", "1:00:00", "--num-nodes=2", "--mem", "4G", "-p", "fast",
                "JOB=2:9", "--max-jobs-run", "3", "exp/log/x.JOB.log", "true") == 0, stub.err  # fmt: skip
    assert calls(stub) == [
        "--job-name=x.log --output=exp/q/x.log --open-mode=append --export=ALL --mem=4G --cpus-per-task=1 "
        "--time=1:00:00 --gres=gpu:2 --nodes=2 --ntasks-per-node=1 -p fast --array=2-9%3 --parsable exp/q/x.sh"
    ]


def test_a_configuration_of_ones_own(stub):
    stub.write("my.conf", "option a=* -a '$0 x' # late default\noption a=off\ncommand sbatch -q \"b c\"\n"
                          "option b=*\ndefault a=1\n")  # fmt: skip
    assert stub("queue.pl", "--config", "my.conf", "--b", "3", "x.log", "true") == 0, stub.err
    assert calls(stub)[0].endswith("--open-mode=append -q b c -a 1 x --parsable ./q/x.sh")
    assert stub("queue.pl", "--config", "my.conf", "--a", "off", "x.log", "true") == 0
    assert calls(stub)[1].endswith("-q b c --parsable ./q/x.sh")


@pytest.mark.parametrize(
    "text, word",
    [
        ("command sbatch\noption gpu=0\n", "--gpu 1 is not allowed by my.conf, only 0"),
        ("command sbatch\noption mem=* --mem=$0\n", "option --gpu is not described in my.conf"),
        ("option gpu=*\n", "my.conf has no 'command' line"),
        ("command sbatch\n\nopt gpu=*\n", "my.conf:3: not a command, option or default line"),
        (None, "cannot read the configuration my.conf"),
    ],
)
def test_a_faulty_configuration(stub, text, word):
    if text is not None:
        stub.write("my.conf", text)
    assert stub("queue.pl", "--config", "my.conf", "--gpu", "1", "x.log", "true") == 1
    assert word in stub.err and not (stub.cwd / "stub/calls").exists()


def test_conf_queue_conf_of_the_working_folder_is_the_default(stub):
    stub.write("conf/queue.conf", "command sbatch --here\n")
    assert stub("queue.pl", "x.log", "true") == 0
    assert "--here" in calls(stub)[0]


def test_the_job_sources_path_sh_and_runs_in_the_callers_folder(stub):
    stub.write("path.sh", "set -eu\nexport FROM=path.sh\n")
    assert stub("queue.pl", "log/a.log", "echo", "$FROM", "$PWD") == 0
    assert stub.output("log/a.log") == [f"path.sh {stub.cwd}"]


def test_a_path_sh_that_fails_is_the_jobs_failure(stub):
    stub.write("path.sh", "echo no python here\nexit 5\n")
    assert stub("queue.pl", "log/a.log", "echo", "x") == 1
    assert "ended with status 5" in stub.err and "  no python here" in stub.err


def test_a_refused_submission_shows_sbatchs_words(stub):
    stub.write("stub/refuse", "sbatch: error: no such partition\n")
    assert stub("queue.pl", "x.log", "true") == 1
    assert "no such partition" in stub.err and "The command was: sbatch" in stub.err


def test_a_task_without_a_trailer_is_judged_by_its_state(stub):
    words = {
        "OUT_OF_MEMORY": "raise --mem",
        "TIMEOUT": "raise --time",
        "NODE_FAIL": "its node failed",
        "CANCELLED": "scancel",
        "PREEMPTED": "higher priority",
    }
    states = ["COMPLETED", *words]
    stub.write("stub/states", "".join(f"{n}|{100 + n}|{state}|None\n" for n, state in enumerate(states, 1)))
    line = "test JOB = 1 || kill -9 $PPID; true"  # the task's script dies, as when Slurm ends it
    assert stub("queue.pl", "JOB=1:6", "log/a.JOB.log", *line.split()) == 1
    assert "5 / 6 failed" in stub.err
    for n, (state, word) in enumerate(words.items(), 2):
        (found,) = [text for text in stub.err.splitlines() if f"JOB={n}:" in text]
        assert f"Slurm state {state}" in found and word in found


def test_memory_that_slurm_only_tells_in_words(stub):
    stub.write("stub/states", "N/A|101|FAILED|NonZeroExitCode\n")
    line = "echo StepId=101.batch exceeded memory limit, being killed >>q/a.log; kill -9 $PPID; true"
    assert stub("queue.pl", "a.log", *line.split()) == 1
    assert "OUT_OF_MEMORY" in stub.err


def test_the_trailer_of_a_printed_log_is_no_verdict(stub):
    stub.write("old.log", "# Accounting: job=7\n# Accounting: time=0 threads=1\n# Finished at noon with status 0\n")
    stub.write("stub/states", "N/A|101|RUNNING|None\n")
    assert stub("queue.pl", "log/a.log", "cat", "old.log;", "sleep", "1;", "exit", "3") == 1
    assert "status 3" in stub.err


def test_max_retries_submits_only_what_failed(stub):
    line = "echo x >>ran.JOB; test JOB -ne 2 || test $(wc -l <ran.2) = 3"
    assert stub("queue.pl", "--max-retries", "2", "JOB=1:3", "log/a.JOB.log", "bash", "-c", line) == 0, stub.err
    assert [call.split("--array=")[1].split()[0] for call in calls(stub)] == ["1-3", "2", "2"]
    assert "status 1" in stub.log("log/a.2.log.bak")[-1] and "status 0" in stub.log("log/a.2.log")[-1]
    assert stub("queue.pl", "--max-retries", "1", "log/b.log", "false") == 1
    assert stub.err.count("submitting again") == 1


def test_what_someone_cancelled_is_not_submitted_again(stub):
    stub.write("stub/states", "N/A|101|CANCELLED|None\n")
    assert stub("queue.pl", "--max-retries", "3", "log/a.log", "kill", "-9", "$PPID;", ":") == 1
    assert len(calls(stub)) == 1


@pytest.mark.parametrize("first, output", [("exit 3", ["1"]), ("echo", [""]), ("sleep 0.5; echo well", ["well"])])
def test_a_second_start_by_slurm_goes_on_below_the_first_unless_that_ends_well(stub, first, output):
    line = f"test $SLURM_RESTART_COUNT && echo $SLURM_RESTART_COUNT || {{ touch go; {first}; }}"
    process = stub.start("queue.pl", "log/a.log", "bash", "-c", line)
    wait_for((stub.cwd / "go").exists)
    if "sleep" not in first:
        process.communicate()
    env = {**stub.env, "SLURM_JOB_ID": "101", "SLURM_RESTART_COUNT": "1"}
    assert subprocess.run(["bash", stub.cwd / "q/a.sh"], env=env, check=False).returncode == 0
    process.communicate()
    assert stub.output("log/a.log") == output
    assert sum(text.startswith("# Running on ") for text in stub.log("log/a.log")) == (2 if output == ["1"] else 1)


def test_without_an_answer_from_squeue_the_logs_decide(stub):
    text = "#!/bin/sh\ntouch asked\necho 'slurm_load_jobs error: Unable to contact' >&2\nexit 1\n"
    stub.write("bin/squeue", text)
    line = "until [ -e asked ]; do sleep 0.05; done; exit 4"
    assert stub("queue.pl", "log/a.log", "bash", "-c", line) == 1
    assert stub.err.count("squeue fails") == 1 and "status 4" in stub.err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_job(stub, sent):
    assert stub.interrupt("queue.pl", "JOB=1:2", "log/a.JOB.log", "touch", "go;", "sleep", "3",
                          until="go", sent=sent) == 2  # fmt: skip
    assert stub.log("stub/cancelled") == ["101"]
    assert f"caught {sent.name}, cancelling job 101" in stub.err


def test_the_job_is_cancelled_when_the_run_sh_that_it_belongs_to_is_gone(stub):
    with subprocess.Popen(["sleep", "60"]) as run_sh:
        stub.env["RUN_SH"] = f"{socket.gethostname()}:{run_sh.pid}"
        process = stub.start("queue.pl", "log/a.log", "touch", "go;", "sleep", "3")
        wait_for((stub.cwd / "go").exists)
        run_sh.kill()
        errors = process.communicate()[1]
    assert process.returncode == 2 and "caught SIGKILL of run.sh, cancelling job 101" in errors
    assert stub.log("stub/cancelled") == ["101"]
