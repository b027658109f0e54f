"""Fixtures that several rooms' tests share."""

from pathlib import Path

import kaldiio
import pytest

from dlglc.data.fbank import Fbank
from dlglc.settings import load_settings
from dlglc.settings.schema import FbankSettings
from dlglc.training.distributed import Processes


@pytest.fixture(scope="session")
def fbank():
    """The filter bank of conf/fbank.yaml: 80 energies each 10 ms at 16 kHz."""
    return Fbank(load_settings(FbankSettings))


@pytest.fixture(scope="session")
def processes():
    """A training of one process on the CPU."""
    return Processes("cpu")


@pytest.fixture(scope="session")
def write_ark():
    """Call write_ark(folder, {id: array}) to write feats.ark and feats.scp; it returns the second column of the scp."""

    def write(folder: Path, arrays: dict, form: str = "ark", **options) -> dict[str, str]:
        with kaldiio.WriteHelper(f"{form},scp:{folder}/feats.ark,{folder}/feats.scp", **options) as writer:
            for name, array in arrays.items():
                writer(name, array)
        return dict(line.split() for line in (folder / "feats.scp").read_text().splitlines())

    return write
