"""Fixtures of all tests. What takes long to make is made once and shared by the workers of pytest-xdist."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from standin import read_speech
from support import chain, scripts
from support.corpora import make_tiny
from support.shared import Shared

SPEECHOCEAN = Path(os.environ.get("SPEECHOCEAN762", scripts.ROOT.parent / "shared/data/speechocean762"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the tests out to the workers of pytest-xdist (--dist loadgroup): the slow ones first, each by itself.

    What slow tests share is made once for all workers. The others of a module go to one worker together, as its
    fixtures are theirs. All that needs the Slurm goes to one worker, which brings it up.
    """
    for item in items:
        if item.get_closest_marker("slurm"):
            item.add_marker("slow")
            item.add_marker(pytest.mark.xdist_group("slurm"))
        elif not item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
    items.sort(key=lambda item: 0 if item.get_closest_marker("slurm") else 1 if item.get_closest_marker("slow") else 2)


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return scripts.ROOT


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Shared:
    """Call once(name, make) for a folder that is made once in this session, whatever the number of workers."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder of its own in that of the session
        top = top.parent
    return Shared(top / "shared")


@pytest.fixture(scope="session")
def script():
    """Run a script: script("steps/x.py", args…) → the finished process; check=False to look at failures."""
    return scripts.run


@pytest.fixture(scope="session")
def speechocean() -> Path:
    """Folder of the real corpus; a test that asks for it skips, saying so, where it is absent."""
    if not (SPEECHOCEAN / "train/wav.scp").exists():
        pytest.skip(f"no real speech at {SPEECHOCEAN}: set SPEECHOCEAN762 to a copy to run this test")
    return SPEECHOCEAN


@pytest.fixture(scope="session")
def speech(script, once) -> list[list[Path]]:
    """Recordings by speaker, to cut stand-ins from: real speech where present, else a small mini corpus."""
    if (SPEECHOCEAN / "train/wav.scp").exists():
        return read_speech(SPEECHOCEAN / "train")

    def make(top):
        options = ["--speakers", "14", "--utterances", "2", "--eval-speakers", "2", "--eval-utterances", "2"]
        script("local/prepare_mini.py", "corpus", top / "corpus", *options)
        script("local/prepare_mini.py", "data", top / "corpus", top / "data")

    return read_speech(once("speech", make) / "data/train")


@pytest.fixture(scope="session")
def tiny(once) -> Path:
    """A corpus for plumbing: tiny/{train,noise,rirs} with 24 utterances of 4 voices, 3 noises, 2 impulse responses."""
    return once("tiny", make_tiny)


@pytest.fixture(scope="session")
def tree(once) -> Path:
    """A copy of the checkout with short trainings and a mini corpus of 8 + 4 speakers, not prepared yet."""
    return once("tree", chain.make_tree)


class Finished(NamedTuple):
    """A tree in which run.sh has ended, and what it said on standard output."""

    tree: Path
    said: str


@pytest.fixture(scope="session")
def finished(tree, once) -> Finished:
    """Stages 1 to 7 with one round, in two commands as a user would go on."""

    def make(top):
        there = shutil.copytree(tree, top / "tree", symlinks=True)
        words = ["--corpus-dir", "small", "--rounds", "1", "--nj", "2"]
        first = chain.run(there, "--stage", "1", "--stop-stage", "4", *words)
        trials = (there / "data/mini/eval/trials").read_text().splitlines(keepends=True)
        (there / "data/mini/eval/trials_half").write_text("".join(trials[::2]))
        second = chain.run(there, "--stage", "5", *words)
        (top / "said").write_text(first.stdout + second.stdout)

    top = once("finished", make)
    return Finished(top / "tree", (top / "said").read_text())
