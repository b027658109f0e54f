"""The scripts of steps/ and local/ as a user starts them."""

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

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

    @classmethod
    def run(cls, words: list[str], timeout: float) -> subprocess.CompletedProcess:
        """Run a script in a fork of it."""
        if cls.process is None or cls.process.poll() is not None:
            warm = str(Path(__file__).with_name("warm.py"))
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "start_new_session": True}
            cls.process = subprocess.Popen([sys.executable, warm], env=environment(), **pipes)
            atexit.register(cls.end)
        with tempfile.TemporaryDirectory() as folder:
            files = {name: f"{folder}/{name}" for name in ("out", "err")}
            cls.process.stdin.write(json.dumps({"words": words, "cwd": str(ROOT), **files}) + "\n")
            cls.process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(cls.process.stdout, selectors.EVENT_READ)
                if not selector.select(timeout):
                    cls.end()
                    raise AssertionError(f"{' '.join(words)} has not ended in {timeout} s")
            status = int(cls.process.stdout.readline())
            texts = [Path(file).read_text() for file in files.values()]
        return subprocess.CompletedProcess(words, status, *texts)

    @classmethod
    def end(cls) -> None:
        """Ends it, and what still runs in it."""
        if cls.process is not None and cls.process.poll() is None:
            cls.process.stdin.close()
            try:
                cls.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(cls.process.pid, signal.SIGKILL)
                cls.process.wait()
        cls.process = None


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
