"""Samples in a file behave as those in memory when they are counted and sliced."""

import numpy as np
import pytest

from dlglc.data.spool import Spool

SAMPLES = np.random.default_rng(0).normal(size=1000).astype(np.float32)


@pytest.fixture
def spool(tmp_path):
    SAMPLES.tofile(tmp_path / "samples")
    with open(tmp_path / "samples", "rb") as file:
        yield Spool(file, len(SAMPLES))


@pytest.mark.parametrize(
    "part", [slice(None), slice(5, 20), slice(990, 2000), slice(1000, 1000), slice(7), slice(-3, None)]
)
def test_any_slice(spool, part):
    assert len(spool) == 1000
    np.testing.assert_array_equal(spool[part], SAMPLES[part])


def test_what_cannot_be_had_is_an_error(spool, tmp_path):
    with pytest.raises(ValueError, match="without steps"):
        spool[::2]
    (tmp_path / "samples").write_bytes(b"")
    with pytest.raises(OSError, match="0 of 4000 bytes"):
        spool[:]
