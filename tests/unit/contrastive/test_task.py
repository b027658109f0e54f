"""The contrastive task: what a step computes, which encoders are kept, and what a checkpoint brings back."""

import copy

import pytest
import torch

from dlglc.contrastive.loss import contrastive_loss
from dlglc.contrastive.run import with_own_epochs
from dlglc.contrastive.task import Contrastive
from dlglc.data.views import Views
from dlglc.encoders import build_encoder
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings

SMALL = [
    *("contrastive.epochs=3", "contrastive.temperature=0.2", "average_epochs=2", "optimiser.warmup_epochs=1"),
    *("encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=8", "stage1=contrastive"),
]


@pytest.fixture
def make(fbank, processes):
    """make("key=value", …) → the task with small settings, from the same weights each time."""

    def task(*words, save=None):
        torch.manual_seed(0)
        chosen = with_own_epochs(load_settings(DinoSettings, None, [*SMALL, *words]))
        return Contrastive(chosen, build_encoder(chosen.encoder, 80), Views(fbank, None), processes, save)

    return task


def batch(seed=0, size=6):
    """Two views of features of each utterance."""
    generator = torch.Generator().manual_seed(seed)
    return {"index": torch.arange(size), "feats0": torch.randn(2 * size, 20, 80, generator=generator)}


def test_a_step_contrasts_the_two_crops_of_each_utterance(make):
    task, other = make(), make()
    loss, figures = task.step(batch(), 0, 0.0)
    feats = batch()["feats0"]
    embeddings = other.encoder(feats - feats.mean(1, keepdim=True))
    expected = contrastive_loss(torch.stack([embeddings[:6], embeddings[6:]]), 0.2)
    torch.testing.assert_close(loss, expected)
    assert set(figures) == {"found", "positive", "negative"}
    loss.backward()
    assert all(p.grad is not None for p in task.module.parameters())


def test_encoders_are_kept_every_so_many_epochs(make):
    kept = {}
    task = make("keep_every=2", save=lambda name, state: kept.update({name: state}))
    for epoch in range(3):
        task.end_epoch(epoch)
    assert list(kept) == ["epochs/02.pt"]
    assert kept["epochs/02.pt"].keys() == task.encoder.state_dict().keys()


def test_a_resumed_task_ends_with_the_same_mean_of_epochs(make):
    def epochs(task, numbers):
        for epoch in numbers:
            task.step(batch(epoch), epoch, epoch / 3)
            with torch.no_grad():
                for p in task.module.parameters():
                    p.mul_(0.9)
            task.end_epoch(epoch)

    whole, first, second = make(), make(), make()
    epochs(whole, range(3))
    epochs(first, range(2))
    second.module.load_state_dict(copy.deepcopy(first.module.state_dict()))
    second.load_state(copy.deepcopy(first.state()))
    epochs(second, [2])
    expected, found = whole.final_state(), second.final_state()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    last = whole.encoder.state_dict()
    assert not all(torch.equal(expected[name], last[name]) for name in last)  # the mean of two epochs
