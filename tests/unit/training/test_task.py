"""A task needs a module and a loss: everything else may be left out."""

import numpy as np
import pytest
import torch
from torch import nn

from dlglc.data.crops import FeatureCrops
from dlglc.settings import load_settings
from dlglc.settings.schema import DlglcSettings
from dlglc.training.task import Task
from dlglc.training.trainer import Trainer


def test_a_task_of_a_loss_alone_is_trained(fbank, processes, tmp_path, write_ark):
    class Least(Task):
        module = nn.Linear(80, 1)

        def step(self, batch, epoch, progress):
            return self.module(batch["feats0"]).square().mean(), {}

    write_ark(tmp_path, {f"u{i}": np.full((20, 80), i, "f4") for i in range(4)})
    crops = FeatureCrops(tmp_path, fbank, [(1, 0.1)], 0)
    words = ["epochs=2", "batch_size=4", "optimiser.warmup_epochs=0", "gate.mode=none", "correction.mode=none"]
    settings = load_settings(DlglcSettings, None, [*words, "margin_warmup_epochs=0"])
    before = Least.module.weight.detach().clone()
    Trainer(Least(), crops, settings, tmp_path, processes).train()
    assert not torch.equal(Least.module.weight, before)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 2


def test_what_a_task_must_say_itself():
    with pytest.raises(NotImplementedError):
        Task().step({}, 0, 0.0)
    with pytest.raises(NotImplementedError):
        Task().final_state()
