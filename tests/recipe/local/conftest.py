"""Fixtures of the tests of local/prepare_voxceleb.py."""

import pytest

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
