"""The scripts of steps/ and local/ as a user starts them."""

import atexit
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from support import warm

ROOT = Path(__file__).resolve().parents[2]
THREADS = os.environ.get("OMP_NUM_THREADS", "1")  # of one process: others run beside it


def environment(**changes: str) -> dict[str, str]:
    """What path.sh gives to scripts."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    paths = {"PATH": path, "PYTHONPATH": str(ROOT / "steps"), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": THREADS}
    return {**os.environ, **paths, **changes}


def start(name: str, *args, env: dict[str, str] | None = None, **options) -> subprocess.Popen:
    """Start a script in the root: start("steps/x.py", args…), options of Popen behind."""
    words = [sys.executable, str(ROOT / name), *map(str, args)]
    return subprocess.Popen(words, cwd=ROOT, env=environment(**(env or {})), **options)


def run(name: str, *args, check=True, env: dict[str, str] | None = None, timeout=900) -> subprocess.CompletedProcess:
    """Run a script to its end: run("steps/x.py", args…); check=False to look at failures.

    With an environment of its own it has a Python of its own; else it shares the imports of others, see warm.py.
    """
    words = [str(ROOT / name), *map(str, args)]
    if env is None:
        done = Warm.run(words, timeout)
    else:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    assert not check or done.returncode == 0, f"{name} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}"
    return done


class Warm:
    """The Python of warm.py that belongs to this process of pytest."""

    process: subprocess.Popen | None = None
    folder = ""

    @classmethod
    def socket(cls) -> str:
        """Where it answers."""
        if cls.process is None or cls.process.poll() is not None:
            cls.end()
            cls.folder = tempfile.mkdtemp()
            path = f"{cls.folder}/socket"
            words = [sys.executable, warm.__file__, path]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "start_new_session": True}
            cls.process = subprocess.Popen(words, env=environment(), **pipes)
            cls.process.stdout.read(1)  # it listens, or has ended
            atexit.register(cls.end)
        return f"{cls.folder}/socket"

    @classmethod
    def run(cls, words: list[str], timeout: float) -> subprocess.CompletedProcess:
        """Run a script in a fork of it."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err, open(os.devnull) as nothing:
            files = [file.fileno() for file in (nothing, out, err)]
            with warm.ask(cls.socket(), words, environment(), str(ROOT), files) as connection:
                connection.settimeout(timeout)
                try:
                    status = warm.answer(connection)
                except TimeoutError:
                    raise AssertionError(f"{' '.join(words)} has not ended in {timeout} s") from None
            for file in (out, err):
                file.seek(0)
            return subprocess.CompletedProcess(words, status, out.read(), err.read())

    @classmethod
    def python(cls) -> str:
        """An environment, for DLGLC_VENV, whose python3 hands scripts to it."""
        path = cls.socket()
        venv, own = Path(sys.prefix), Path(cls.folder)
        if not (own / "bin").exists():
            (own / "bin").mkdir()
            for program in (venv / "bin").iterdir():
                if not program.name.startswith("python"):
                    (own / "bin" / program.name).symlink_to(program)
            base = Path(sys.base_prefix) / "bin/python3"  # without its site packages it starts in a moment
            words = [str(base), "-IS", warm.__file__, path, "for", sys.executable, THREADS]
            for name in ("python", "python3"):
                (own / "bin" / name).write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
                (own / "bin" / name).chmod(0o755)
            shutil.copy(venv / ".requirements", own)
        return cls.folder

    @classmethod
    def end(cls) -> None:
        """Ends it, and what still runs in it."""
        if cls.process is not None:
            cls.process.stdin.close()
            cls.process.wait()
            cls.process = None
            shutil.rmtree(cls.folder)


def torchrun(processes: int, *args, timeout=900) -> subprocess.CompletedProcess:
    """Run a script in several processes on this machine; its status may be any."""
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    return subprocess.run(
        [*words, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        cwd=ROOT,
        check=False,
    )
