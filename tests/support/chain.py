"""The recipe as a user starts it, and a tree for it to run in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.scripts import ROOT, THREADS, Warm

# The copy uses this environment: its requirements are the same.
ENVIRONMENT = {"DLGLC_VENV": os.environ.get("DLGLC_VENV", str(ROOT / ".venv")), "OMP_NUM_THREADS": THREADS}
SHORT = {
    "dino": {"epochs": 2, "head": {"outputs": 32, "hidden": 32, "bottleneck": 16}},
    "dlglc": {"epochs": 4, "gate": {"from_epoch": 2}, "correction": {"from_epoch": 3}},
    "cluster": {"num_clusters": 8, "restarts": 2},
}


def run(where: Path, *words, check=True, env=None, timeout=1500) -> subprocess.CompletedProcess:
    """./run.sh with these words in a tree; without a failure, or any end of it with check=False."""
    return command(where, "./run.sh", *words, check=check, env=env, timeout=timeout)


def command(where: Path, *words, check=True, env=None, timeout=1500) -> subprocess.CompletedProcess:
    """A command of the recipe, from the root of a tree. Its scripts share the imports of others, see warm.py."""
    done = subprocess.run(
        [*map(str, words)],
        cwd=where,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **ENVIRONMENT, "DLGLC_VENV": Warm.python(), **(env or {})},
        check=False,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def copy_checkout(top: Path, places: tuple[str, ...] = ("",)) -> None:
    """Copy the files that git knows or would take; all files where there is no git, as in a copy of the checkout.

    Args:
        places: beginnings of their names.
    """
    words = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    for name in listed.stdout.splitlines() or [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]:
        if name.startswith(places) and (ROOT / name).is_file():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, top / name)


def make_clone(top: Path) -> None:
    """A copy of the files that git knows or would take, with short trainings, and a mini corpus of 8 + 4 speakers."""
    copy_checkout(top)
    # Python would compile the modules in every process of a run that may not write them.
    command(top, sys.executable, "-m", "compileall", "-q", "steps", "local")
    for idea, changes in SHORT.items():
        (top / f"conf/mini/{idea}.yaml").rename(top / f"conf/mini/full_{idea}.yaml")
        (top / f"conf/mini/{idea}.yaml").write_text(json.dumps({"base": f"full_{idea}.yaml", **changes}))
    small = ["--speakers", 8, "--utterances", 6, "--eval-speakers", 4, "--eval-utterances", 5]
    python = f"{Warm.python()}/bin/python3"
    command(top, python, "local/prepare_mini.py", "corpus", "small", *small, env={"PYTHONPATH": "steps"})


def make_tiny_tree(top: Path, tiny: Path) -> None:
    """A copy of the checkout with a mini corpus of 24 utterances, on which trainings take no time."""
    copy_checkout(top, ("conf", "local", "steps", "utils", "run.sh", "path.sh", "requirements.txt"))
    for part in ("train", "noise", "rirs"):
        shutil.copytree(tiny / part, top / "data/mini" / part)
