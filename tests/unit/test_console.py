"""The frame of a script: --set beside positional arguments, help, errors without a traceback, lines of progress."""

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from dlglc import console
from dlglc.console import parser, progress, split_set
from support import scripts


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--set a=1 DIR", "--set=a=1 DIR"),
        ("--set a=1 b.c=x DIR OUT", "--set=a=1 --set=b.c=x DIR OUT"),
        ("--set a=1 --set b=2 DIR", "--set=a=1 --set=b=2 DIR"),
        ("--set a=1 --seed 3 b=2", "--set=a=1 --seed 3 b=2"),
        ("DIR --set a=", "DIR --set=a="),
        ("--set DIR", "--set DIR"),
        ("--set", "--set"),
        ("--set --seed 3", "--set --seed 3"),
        ("--set=a=1 DIR", "--set=a=1 DIR"),
        ("a=1 DIR", "a=1 DIR"),
        ("--set 2a=1 DIR", "--set 2a=1 DIR"),
        ("", ""),
    ],
)
def test_set_takes_assignments_only(words, expected):
    assert split_set(words.split()) == expected.split()


def test_values_keep_their_blanks():
    assert split_set(["--set", "snr_db={noise: [0, 15]}", "DIR"]) == ["--set=snr_db={noise: [0, 15]}", "DIR"]


def test_a_parser_gives_the_words_behind_set_to_the_positional_arguments():
    """As every script has it: options, any number of --set, directories."""
    words = parser("doc")
    words.add_argument("--set", nargs="+", action="extend", default=[])
    words.add_argument("--seed", type=int)
    words.add_argument("data_dir")
    words.add_argument("out_dir")
    for line in (
        "--set a=1 b=2 in out --seed 3",
        "--set a=1 --seed 3 --set b=2 in out",
        "in out --seed 3 --set a=1 b=2",
    ):
        args = words.parse_args(line.split())
        assert (args.set, args.seed, args.data_dir, args.out_dir) == (["a=1", "b=2"], 3, "in", "out")


def test_help_is_the_docstring_as_it_stands(capsys):
    with pytest.raises(SystemExit):
        parser("What it does.\n\nReads   this\nWrites  that").parse_args(["--help"])
    assert "What it does.\n\nReads   this\nWrites  that" in capsys.readouterr().out


def script(root, body, **options):
    """Run a script of three lines around console.run."""
    text = (
        f"from dlglc import console\nfrom dlglc.errors import RecipeError\ndef main():\n    {body}\nconsole.run(main)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(root / "steps")}
    return subprocess.run([sys.executable, "-c", text], env=environment, text=True, timeout=60, **options)


def test_an_error_that_the_user_can_mend_has_no_traceback(root):
    done = script(root, "raise RecipeError('wav.scp:3: gone: mend it')", capture_output=True)
    assert done.returncode == 1
    assert done.stderr.endswith("error: wav.scp:3: gone: mend it\n")
    assert "Traceback" not in done.stderr
    done = script(root, "raise KeyError('ours')", capture_output=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_log_lines_have_a_time_and_go_to_standard_output(root):
    done = script(root, "console.log.info('%d clusters', 7)", capture_output=True)
    assert done.returncode == 0
    assert done.stderr == ""
    date, clock, text = done.stdout.split(" ", 2)
    assert len(date.split("-")) == len(clock.split(":")) == 3
    assert text == "7 clusters\n"


def test_a_reader_that_leaves_is_no_error(root):
    """As `script | head -1` does it."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = script(root, "[print(i, flush=True) for i in range(9)]", stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)
    assert done.returncode
    assert "Traceback (most recent call last)" not in done.stderr


def test_progress_passes_everything_through_and_writes_lines(caplog):
    with caplog.at_level("INFO"):
        assert list(progress(iter("abc"), 3, "letters", every=0.0)) == ["a", "b", "c"]
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0] for line in lines] == ["1 of 3 letters", "2 of 3 letters", "3 of 3 letters"]
    assert lines[-1].endswith(" per second, 0 s left")
    caplog.clear()
    with caplog.at_level("INFO"):
        assert list(progress(range(5), 5, "numbers")) == [0, 1, 2, 3, 4]
    assert caplog.text == ""


def test_the_device_of_a_script():
    words = parser(None)
    console.add_device_option(words)
    assert words.parse_args([]).device == "auto"
    assert words.parse_args(["--device", "cpu"]).device == "cpu"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("open('/nowhere/x')", 1, "/nowhere/x: no such file or folder: check the path"),
        ("open('/dev/full', 'w', 1).write('x\\n' * 9999)", 1, "the disk is full: make room and run it again"),
        ("raise KeyboardInterrupt", 130, "stopped by Ctrl-C; the same command goes on"),
        ("raise MemoryError", 1, "no memory is left"),
        ("os.rename('/dev/null', '/nowhere/y')", 1, "/nowhere/y: "),
    ],
)
def test_what_the_system_refuses_is_a_message(root, body, status, said):
    done = script(root, f"import os; {body}", capture_output=True)
    assert done.returncode == status
    assert ": error: " in done.stderr and said in done.stderr
    assert "Traceback (most recent call last)" not in done.stderr


WAITS = "import time; from dlglc import console; console.run(lambda: (print('begun', flush=True), time.sleep(600)))"


def test_a_script_ends_when_the_run_sh_that_it_belongs_to_is_gone():
    run_sh = subprocess.Popen(["sleep", "600"])
    environment = scripts.environment(RUN_SH=f"{socket.gethostname()}:{run_sh.pid}")
    words = {"env": environment, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", WAITS], **words) as script:
        assert script.stdout.readline() == "begun\n"
        run_sh.kill()  # it stays a process without life, as nobody waits for it yet
        assert script.wait() == -signal.SIGTERM
    run_sh.wait()
    assert not console.lives(run_sh.pid) and console.lives(os.getpid())


@pytest.mark.parametrize("value", ["", "another machine:1", f"{socket.gethostname()}:x"])
def test_a_script_that_belongs_to_no_run_sh_here_watches_nothing(monkeypatch, value):
    monkeypatch.setenv("RUN_SH", value)
    before = threading.active_count()
    console.end_with_run_sh()
    assert threading.active_count() == before
