"""The recipe as a user starts it."""

import os
import subprocess
from pathlib import Path


def run(where: Path, *words, check=True, env=None, timeout=500) -> subprocess.CompletedProcess:
    done = subprocess.run(
        ["bash", "run.sh", *map(str, words)],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
