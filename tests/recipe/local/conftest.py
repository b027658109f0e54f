"""Fixtures of the tests of local/: the stand-in of VoxCeleb; the code of others, and features of real speech."""

import functools
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import soundfile
import torch

from dlglc.data.fbank import encoder_input
from standin import make_tree


@pytest.fixture(scope="module")
def voxceleb(speech, once):
    """The stand-in; tests must not change it."""
    return once("voxceleb_tree", lambda top: make_tree(top, speech))


@pytest.fixture
def prepare(script, tmp_path):
    """Run a part of prepare_voxceleb.py with its work in tmp_path."""

    def run(part, tree, *words, check=True):
        out = [tmp_path / "local"] if part == "data" else []
        words = ["--work", tmp_path / "work", *words]
        return script("local/prepare_voxceleb.py", part, tree, *out, *words, check=check)

    return run


@pytest.fixture(scope="session")
def authors(tmp_path_factory):
    """authors("speakerlab==0.0.6", "speakerlab/models") → a folder with that part of a package, which others wrote.

    The package is not installed. A test skips where it cannot be had.
    """

    @functools.cache
    def fetch(package: str, part: str) -> Path:
        folder = tmp_path_factory.mktemp("authors")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", package, "-d", str(folder)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip(f"{package}, the code of its authors, cannot be had from the package index")
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            wheel.extractall(folder / "code", [name for name in wheel.namelist() if name.startswith(part)])
        return folder / "code"

    return fetch


@pytest.fixture
def real_feats(speechocean):
    """real_feats(fbank, count) → energies (1, T, F) of recordings of real speech, less their mean."""

    def read(fbank, count: int) -> list[torch.Tensor]:
        paths = sorted((speechocean / "eval/audio").glob("*/*"))[: 130 * count : 130]
        waves = (torch.from_numpy(soundfile.read(path, dtype="int16")[0])[None] for path in paths)
        return [encoder_input(wave, fbank) for wave in waves]

    return read
