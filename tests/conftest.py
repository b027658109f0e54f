"""Fixtures of all tests. What takes long to make is made once and shared by the workers of pytest-xdist."""

import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as path.sh has it; libgomp reads it when torch is imported

import pytest

from standin import read_speech
from support import bundles as bundle_files
from support import chain, scripts
from support.corpora import make_tiny
from support.shared import Shared

# Fixtures that run stages of the recipe, the longest first.
CHAINS = ("ablation", "chain", "labelled", "folder", "finished")
SPEECHOCEAN = Path(os.environ.get("SPEECHOCEAN762", scripts.ROOT.parent / "shared/data/speechocean762"))
LIBRISPEECH = Path(os.environ.get("LIBRISPEECH", scripts.ROOT.parent / "shared/data/librispeech"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and deal the tests out to the workers of pytest-xdist (--dist loadgroup).

    Slow tests come first, each by itself: what they share is made once for all workers, by the first test that needs
    it, and so early that no worker has to wait for it. The other tests of a module go to one worker together, which
    makes their fixtures. The tests of Slurm go to one worker, which brings it up.
    """
    place: dict[pytest.Item, int] = {}
    seen: set[str] = set()
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if fixtures & {"clone", "two_processes"} or item.path.parent.name == "faults":
            item.add_marker("slow")
        if item.get_closest_marker("slurm"):
            item.add_marker("slow")
            item.add_marker(pytest.mark.xdist_group("slurm"))
            place[item] = 0
        elif item.get_closest_marker("slow"):
            shared = [name for name in CHAINS if name in fixtures]
            place[item] = 2 + len(CHAINS) - CHAINS.index(shared[0]) if shared else 2
            if set(shared) - seen:
                place[item] = 1
            seen.update(shared)
        else:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
            place[item] = 9
    items.sort(key=place.__getitem__)


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
def librispeech() -> Path:
    """Folder of a copy of LibriSpeech in Kaldi's form; a test that asks for it skips where it is absent."""
    if not (LIBRISPEECH / "train/wav.scp").exists():
        pytest.skip(f"no copy of LibriSpeech at {LIBRISPEECH}: set LIBRISPEECH to one to run this test")
    return LIBRISPEECH


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
def bundles(speech, once) -> bundle_files.Bundles:
    """A small system of random weights, and its bundles."""
    top = once("bundles", lambda top: bundle_files.make_bundles(top, speech))
    return bundle_files.bundles_in(top, speech)


@pytest.fixture(scope="session")
def clone(once) -> Path:
    """A copy of the checkout with short trainings and a mini corpus of 8 + 4 speakers, not prepared yet."""
    return once("clone", chain.make_clone)


class Finished(NamedTuple):
    """A tree in which run.sh has ended.

    Attributes:
        tree: the folder.
        said: standard output of the run.
        clusters: utt2cluster of round 1, and
        clusters_again, said_again: both after a second run of stages 3 to 5.
        trained_again: models that the second run wrote.
    """

    tree: Path
    said: str
    clusters: str
    clusters_again: str
    said_again: str
    trained_again: set[str]


@pytest.fixture(scope="session")
def finished(clone, once) -> Finished:
    """Stages 1 to 7 with one round, in two commands as a user would go on; and stages 3 to 5 once more."""

    def make(top):
        there = shutil.copytree(clone, top / "tree", symlinks=True)
        words = ["--corpus-dir", "small", "--rounds", "1"]

        def trained():
            return {str(path): path.stat().st_mtime_ns for path in there.glob("exp/mini/*/model.pt")}

        def clusters():
            return (there / "exp/mini/round1/clusters/utt2cluster").read_text()

        first = chain.run(there, "--stage", "1", "--stop-stage", "2", *words, "--nj", "2")
        second = chain.run(there, "--stage", "3", *words, "--nj", "1")
        models, found = trained(), clusters()
        again = chain.run(there, "--stage", "3", "--stop-stage", "5", *words, "--nj", "1")
        made = [path for path, time in trained().items() if models.get(path) != time]
        texts = [first.stdout + second.stdout, found, clusters(), again.stdout]
        (top / "made.json").write_text(json.dumps([texts, made]))

    top = once("finished", make)
    texts, made = json.loads((top / "made.json").read_text())
    return Finished(top / "tree", *texts, set(made))
