"""What run.pl and queue.pl share: the call form, quoting, logs, exit codes and --pick."""

import pytest

from support.shells import Slurm

TRAPS = [
    "a  b",
    "it's",
    "it's 'quite' so",
    'say "this and that"',
    """both ' and " here""",
    "$HOME and $(touch trap)",
    "`touch trap` too",
    "a * b ? [c]",
    "x | y > z & w ; v",
    "back \\ slash \\n",
    "ünï cödé 話者 🎙",
    "tab\there",
    "two\nlines",
    "",
    "! #comment",
]


def test_words_with_white_space_reach_the_command_unchanged(wrapper):
    name, shell = wrapper
    words = [w for w in TRAPS if w == "" or any(c.isspace() for c in w)]
    assert shell(name, "log/a.log", "printf", "'<%s>\\n'", *words) == 0, shell.err
    assert "\n".join(shell.output("log/a.log")) == "\n".join(f"<{word}>" for word in words)
    assert not (shell.cwd / "trap").exists()


def test_words_without_white_space_are_for_the_jobs_own_bash(wrapper):
    name, shell = wrapper
    shell.env["WHO"] = "me"
    assert shell(name, "log/a.log", "echo", "$WHO", "|", "tr", "m", "M", "&&", "echo", "l*g", ">", "out.txt") == 0
    assert shell.output("log/a.log") == ["Me"]
    assert (shell.cwd / "out.txt").read_text() == "log\n"
    assert shell(name, "log/b.log", "echo", "`echo", "tick`", "$(", "echo", "話者", ")", "\\$WHO", "'q'") == 0
    assert shell.output("log/b.log") == ["tick 話者 $WHO q"]


@pytest.mark.parametrize("jobs", [1, 2, 12])
def test_every_job_has_its_number_and_its_log(wrapper, jobs):
    name, shell = wrapper
    assert shell(name, f"JOB=1:{jobs}", "exp/JOB/x.JOB.log", "echo", "the JOB's", "n=JOB") == 0, shell.err
    for job in range(1, jobs + 1):
        assert shell.output(f"exp/{job}/x.{job}.log") == [f"the {job}'s n={job}"]
    assert (shell.out, shell.err) == ("", "")


def test_options_stand_before_and_after_the_range(wrapper):
    name, shell = wrapper
    assert shell(name, "--mem", "1G", "TASK=3", "--num-threads=2", "log/x.TASK.log", "echo", "TASK", "JOB") == 0
    assert shell.output("log/x.3.log") == ["3 JOB"]
    assert "threads=2" in shell.log("log/x.3.log")[-2]


def test_the_log_has_kaldis_lines(wrapper):
    name, shell = wrapper
    assert shell(name, "log/a.log", "printf", "no-newline;", "echo", ">&2", "err") == 0
    log = shell.log("log/a.log")
    if name == "run.pl":
        assert log[0] == "# printf no-newline; echo >&2 err"
        assert log[1].startswith("# Started at ") and log[2] == "#"
        assert log[-1].startswith("# Ended (code 0) at ") and log[-1].endswith(" seconds")
    else:
        assert log[0].startswith("# Running on ") and log[1].startswith("# Started at ")
        assert "# printf no-newline; echo >&2 err" in log and any(line.startswith("# SLURM_JOB_ID=") for line in log)
        assert log[-1].startswith("# Finished at ") and log[-1].endswith(" with status 0")
    assert log[-2].startswith("# Accounting: time=") and log[-2].endswith(" threads=1")
    assert shell.output("log/a.log") == ["no-newlineerr"]


def test_output_without_a_last_newline_leaves_the_trailer_whole(wrapper):
    name, shell = wrapper
    assert shell(name, "log/a.log", "printf", "x") == 0
    assert shell.output("log/a.log") == ["x"]


def test_a_failure_gives_1_and_names_the_log(wrapper):
    name, shell = wrapper
    assert shell(name, "log/a.log", "exit", "37") == 1
    assert f"{name}: job failed, log is in log/a.log\n" in shell.err and "37" in shell.err


def test_all_jobs_run_though_one_fails(wrapper):
    name, shell = wrapper
    assert shell(name, "JOB=1:4", "log/a.JOB.log", "echo", "JOB;", "test", "JOB", "-ne", "2") == 1
    assert f"{name}: 1 / 4 failed, log is in log/a.*.log\n" in shell.err and "JOB=2: ended with" in shell.err
    assert [shell.output(f"log/a.{job}.log") for job in (1, 2, 3, 4)] == [["1"], ["2"], ["3"], ["4"]]


def test_a_job_killed_by_a_signal_is_a_failure(wrapper):
    name, shell = wrapper
    assert shell(name, "log/a.log", "kill", "-9", "$$") == 1
    assert "signal 9" in shell.err and "emory" in shell.err
    assert shell(name, "log/b.log", "bash", "-c", "kill -TERM $$") == 1


def test_pick_runs_only_what_is_needed(wrapper):
    name, shell = wrapper
    call = ("JOB=1:4", "log/a.JOB.log", "echo", "x", ">>ran.JOB;", "test", "-e", "good", "-o", "JOB", "-ne", "2")
    assert shell(name, *call) == 1
    (shell.cwd / "log/a.4.log").unlink()
    (shell.cwd / "good").touch()
    runs = lambda: [len((shell.cwd / f"ran.{job}").read_text()) // 2 for job in (1, 2, 3, 4)]  # noqa: E731
    assert shell(name, "--pick", "incomplete", *call) == 1  # the failed one was not run, and still counts
    assert runs() == [1, 1, 1, 2] and "failed before and not picked" in shell.err
    assert shell(name, "--pick", "failed", *call) == 0
    assert runs() == [1, 2, 1, 2] and "1 of 4 jobs to run" in shell.err
    assert shell(name, "--pick", "failed", *call) == 0
    assert runs() == [1, 2, 1, 2]
    assert shell(name, "--pick", "some", *call) == 1 and "--pick takes all, failed or incomplete" in shell.err


def test_one_log_for_many_jobs_is_refused(wrapper):
    name, shell = wrapper
    assert shell(name, "JOB=1:2", "log/a.log", "true") == 1
    assert "one log file for parallel jobs" in shell.err and "log/a.JOB.log" in shell.err
    assert not (shell.cwd / "log").exists()


@pytest.mark.parametrize("words", [[], ["log/a.log"], ["JOB=1:2"], ["--mem"], ["JOB=0:3", "a.JOB.log", "true"],
                                   ["JOB=3:2", "a.JOB.log", "true"], ["--max-jobs-run", "0", "a.log", "true"],
                                   ["--max-jobs-run", "x", "a.log", "true"], ["", "true"]])  # fmt: skip
def test_a_malformed_call_is_an_error(wrapper, words):
    name, shell = wrapper
    assert shell(name, *words) == 1
    assert shell.err


def test_suspicious_words_warn(wrapper):
    name, shell = wrapper
    shell(name, "--mem", "--time", "log/a.log", "true")
    assert "warning: the value of --mem is '--time'" in shell.err
    shell(name, "JOB=1:x", "true")
    assert "looks like a job range" in shell.err


def test_a_log_folder_that_cannot_be_made(wrapper):
    name, shell = wrapper
    shell.write("log", "a file where the folder should be")
    assert shell(name, "log/a.log", "true") == 1
    assert "cannot make the log directory log" in shell.err


def test_a_full_disk_is_a_failure(wrapper):
    name, shell = wrapper
    if isinstance(shell, Slurm):
        pytest.skip("test_queue_on_slurm.py fills a real disk")
    (shell.cwd / "log").mkdir()
    if name == "run.pl":
        (shell.cwd / "log/a.log").symlink_to("/dev/full")
    else:  # it removes an old log, so the disk fills up afterwards
        shell.write("stub/before", "ln -s /dev/full log/a.log\n")
        shell.write("stub/states", "N/A|101|FAILED|NonZeroExitCode\n")
    assert shell(name, "log/a.log", "echo", "x") == 1
    assert "No space left" in shell.err if name == "run.pl" else "is the disk full" in shell.err


def test_help_goes_to_standard_output(wrapper):
    name, shell = wrapper
    assert shell(name, "--help") == 0
    assert shell.out.startswith(f"usage: {name}") and shell.err == ""
