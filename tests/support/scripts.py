"""The scripts of steps/ and local/ as a user starts them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THREADS = os.environ.get("OMP_NUM_THREADS", "1")  # of one process: others run beside it


def environment(**changes: str) -> dict[str, str]:
    """What path.sh gives to scripts."""
    paths = {"PYTHONPATH": str(ROOT / "steps"), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": THREADS}
    return {**os.environ, **paths, **changes}


def start(name: str, *args, env: dict[str, str] | None = None, **options) -> subprocess.Popen:
    """Start a script in the root: start("steps/x.py", args…), options of Popen behind."""
    words = [sys.executable, str(ROOT / name), *map(str, args)]
    return subprocess.Popen(words, cwd=ROOT, env=environment(**(env or {})), **options)


def run(name: str, *args, check=True, env: dict[str, str] | None = None, timeout=900) -> subprocess.CompletedProcess:
    """Run a script to its end: run("steps/x.py", args…); check=False to look at failures."""
    with start(name, *args, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    assert not check or process.returncode == 0, f"{name} failed ({process.returncode}):\n{out}\n{err}"
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


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
