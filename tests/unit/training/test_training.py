"""The training loop: an update in parts and over processes is the update of the whole batch; means over epochs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from dlglc.data.crops import Crops, Views
from dlglc.data.fbank import Fbank
from dlglc.training.distributed import Processes
from dlglc.training.optimiser import EpochMean
from dlglc.training.task import Task


class Reconstruct(Task):
    """Filter bank energies through a bottleneck, without batch norm: each sample's gradient is its own."""

    def __init__(self, fbank, processes):
        torch.manual_seed(0)
        self.views = Views(fbank, None)
        self.module = processes.wrap(nn.Sequential(nn.Linear(80, 8), nn.Tanh(), nn.Linear(8, 80)))

    def step(self, batch, epoch, progress):
        feats = self.views(batch, 0) / 10
        return (self.module(feats) - feats).square().mean(), {"loss_squared": 1.0}


def train(data_dir, out_dir, accumulate, batch_size=8):
    fbank, processes = Fbank(load_config("fbank")), Processes("cpu")
    config = load_config("dlglc", None, [f"accumulate={accumulate}", f"batch_size={batch_size}", "epochs=3"])
    config["optimiser"] = {**config["optimiser"], "name": "sgd", "lr": 0.1, "scale_batch": 0, "warmup_epochs": 0.0}
    Path(out_dir).mkdir(exist_ok=True)
    fit(Reconstruct(fbank, processes), Crops(data_dir, fbank, [(1, 0.5)], None, 3), config, Path(out_dir), processes)
    processes.close()


def weights(out_dir) -> torch.Tensor:
    return torch.cat([value.flatten() for value in load(out_dir / "checkpoint.pt")["module"].values()])


def test_an_update_in_parts_is_that_of_the_whole_batch(tiny, root, tmp_path):
    for parts in (1, 2, 4):
        train(tiny / "train", tmp_path / str(parts), parts)
    train(tiny / "train", tmp_path / "smaller", 1, batch_size=4)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root / "steps")}
    subprocess.run(
        [*command, __file__, tiny / "train", tmp_path / "two", "2"], env=environment, check=True, timeout=120
    )
    whole = weights(tmp_path / "1")
    for other in ("2", "4", "two"):
        torch.testing.assert_close(weights(tmp_path / other), whole, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(weights(tmp_path / "smaller"), whole, rtol=1e-2)
    logged = [(tmp_path / d / "metrics.jsonl").read_text().split('"loss": ')[1][:6] for d in ("1", "2", "4", "two")]
    assert len(set(logged)) == 1


def test_a_mean_over_the_last_epochs():
    mean = EpochMean(2, 5)
    assert mean.of({"w": torch.ones(1)})["w"] == 1
    for epoch in range(5):
        mean.add(epoch, {"w": torch.full((2,), float(epoch)), "batches": torch.tensor(epoch)})
    assert mean.of({"w": torch.zeros(2), "batches": torch.tensor(0)})["w"].tolist() == [3.5, 3.5]
    longer = EpochMean(9, 2)
    longer.add(0, {"w": torch.zeros(1)})
    longer.add(1, {"w": torch.ones(1)})
    assert longer.of({"w": torch.zeros(1)})["w"].item() == pytest.approx(0.5)


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2], int(sys.argv[3]))
