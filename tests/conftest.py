"""Every test runs against the checkout: steps/ on the path as for `python steps/x.py`, real speech where present."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "steps"))

SPEECHOCEAN = Path(os.environ.get("SPEECHOCEAN762", ROOT.parent / "shared/data/speechocean762"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def speechocean() -> Path:
    """Folder of the real corpus; a test that asks for it skips, saying so, where it is absent."""
    if not (SPEECHOCEAN / "train/wav.scp").exists():
        pytest.skip(f"no real speech at {SPEECHOCEAN}: set SPEECHOCEAN762 to a copy to run this test")
    return SPEECHOCEAN
