"""Crops of 12 utterances, and a training in two processes, started once for all tests of this room."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlglc.data.crops import FeatureCrops

SCRIPT = Path(__file__).with_name("two_processes.py")


@pytest.fixture(scope="session")
def two_processes(root, tiny, tmp_path_factory):
    """The folder in which two processes left what two_processes.py says."""
    out_dir = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", SCRIPT]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root / "steps")}
    subprocess.run([*command, tiny / "train", out_dir], env=environment, check=True, timeout=300)
    return out_dir


@pytest.fixture
def crops(fbank, tmp_path, write_ark):
    """Crops of the features of 12 utterances."""
    (tmp_path / "data").mkdir()
    arrays = {f"u{i:02d}": np.random.default_rng(i).standard_normal((30, 80)).astype("f4") for i in range(12)}
    write_ark(tmp_path / "data", arrays)
    return FeatureCrops(tmp_path / "data", fbank, [(1, 0.2)], 0)
