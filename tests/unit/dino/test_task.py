"""The DINO task: what a step moves, what a checkpoint brings back, and when a collapse ends the run."""

import copy

import pytest
import torch

from dlglc.data.views import Views
from dlglc.dino.loss import cosine_consistency, dino_loss, teacher_probabilities
from dlglc.dino.task import Dino
from dlglc.encoders import build_encoder
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings

SMALL = [
    *("epochs=4", "batch_size=6", "average_epochs=2", "freeze_last_epochs=1", "optimiser.warmup_epochs=1"),
    *("encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=8"),
    *("head.hidden=16", "head.bottleneck=8", "head.outputs=32"),
]


def settings(*words):
    return load_settings(DinoSettings, None, [*SMALL, *words])


@pytest.fixture
def make(fbank, processes):
    """make("key=value", …) → the task with small settings, from the same weights each time."""

    def task(*words, save=None):
        torch.manual_seed(0)
        chosen = settings(*words)
        return Dino(chosen, build_encoder(chosen.encoder, 80), Views(fbank, None), processes, save)

    return task


def batch(seed=0, size=6):
    """Two long and four short views of features."""
    generator = torch.Generator().manual_seed(seed)
    long, short = (torch.randn(count * size, frames, 80, generator=generator) for count, frames in ((2, 20), (4, 12)))
    return {"index": torch.arange(size), "feats0": long, "feats1": short}


def test_a_step_is_the_loss_of_its_parts(make):
    task = make("cosine_weight=0.5")
    task.centre.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    centre, other = task.centre.clone(), copy.deepcopy(task)
    loss, figures = task.step(batch(), 0, 0.0)
    views = Views(task.views.fbank, None)
    with torch.no_grad():
        long, short = views(batch(), 0), views(batch(), 1)
        student_embeddings, student = other.student([long, short], 6)
        teacher_embeddings, teacher = other.teacher([long], 6)
    assert student.shape == (6, 6, 32) and teacher.shape == (2, 6, 32)
    targets = teacher_probabilities(teacher, centre, 0.04)
    expected = dino_loss(student, targets, 0.1) + 0.5 * cosine_consistency(student_embeddings, teacher_embeddings)
    torch.testing.assert_close(loss.detach(), expected)
    torch.testing.assert_close(task.centre, 0.9 * centre + 0.1 * teacher.mean((0, 1)))
    assert set(figures) == {"cross_entropy", "cosine", "teacher_entropy", "batch_entropy", "embedding_std"}
    loss.backward()
    assert all(p.grad is None for p in task.teacher.parameters())
    assert all(p.grad is not None for p in task.module.parameters())


def test_without_its_weight_the_cosine_term_is_not_computed(make):
    loss, figures = make("cosine_weight=0").step(batch(), 0, 0.0)
    assert "cosine" not in figures
    assert loss is figures["cross_entropy"]


def test_two_long_views_alone_are_enough(make):
    loss, _ = make("short_crops=0").step(batch(), 0, 0.0)
    assert loss.isfinite()


def test_the_centre_forgets_as_much_in_an_update_of_parts(make):
    whole, parts = make(), make("accumulate=2")
    whole.step(batch(), 0, 0.0)
    for _ in range(2):
        parts.step(batch(), 0, 0.0)
    torch.testing.assert_close(parts.centre, whole.centre)


def test_prototypes_keep_still_in_the_first_epochs(make):
    task = make("freeze_last_epochs=2")
    for epoch, still in ((0, True), (1, True), (2, False)):
        task.module.zero_grad()
        task.step(batch(), epoch, epoch / 4)[0].backward()
        task.before_update(epoch)
        assert (task.student.head.last.weight.grad is None) == still
        assert task.student.encoder.embedding.weight.grad is not None


def test_the_teacher_follows_the_student(make):
    task = make("teacher_momentum=0.9")
    before = [p.clone() for p in task.teacher.parameters()]
    with torch.no_grad():
        for p in task.module.parameters():
            p.add_(1)
    task.after_update(0.0)
    for old, new in zip(before, task.teacher.parameters()):
        torch.testing.assert_close(new, old + 0.1)
    task.after_update(1.0)  # at the end of the run the teacher stands still
    for old, new in zip(before, task.teacher.parameters()):
        torch.testing.assert_close(new, old + 0.1)


def test_teachers_are_kept_every_so_many_epochs(make):
    kept = {}
    task = make("keep_every=2", save=lambda name, state: kept.update({name: state}))
    for epoch in range(4):
        task.end_epoch(epoch)
    assert list(kept) == ["epochs/02.pt", "epochs/04.pt"]
    assert kept["epochs/04.pt"].keys() == task.teacher.encoder.state_dict().keys()


def test_a_resumed_task_goes_on_to_the_same_bits(make):
    def epochs(task, numbers):
        for epoch in numbers:
            task.step(batch(epoch), epoch, epoch / 4)
            with torch.no_grad():
                for p in task.module.parameters():
                    p.mul_(0.9)
            task.after_update(epoch / 4)
            task.end_epoch(epoch)

    whole, first, second = make(), make(), make()
    epochs(whole, range(4))
    epochs(first, range(3))
    second.module.load_state_dict(copy.deepcopy(first.module.state_dict()))
    second.load_state(copy.deepcopy(first.state()))
    epochs(second, [3])
    expected, found = whole.final_state(), second.final_state()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert torch.equal(whole.centre, second.centre)
    last = whole.teacher.encoder.state_dict()
    assert not all(torch.equal(expected[name], last[name]) for name in last)  # the mean of two epochs


COLLAPSED = {"teacher_entropy": 3.46, "batch_entropy": 3.4, "embedding_std": 1.0}


def test_a_collapse_ends_the_run_once_the_rate_is_up(make):
    task = make()
    task.check_epoch(0, COLLAPSED)  # epoch 1 is of the warm-up
    with pytest.raises(RecipeError, match=r"collapse after epoch 2: .*teacher_entropy 3\.46.*on_collapse: warn"):
        task.check_epoch(1, COLLAPSED)
    task.check_epoch(1, {**COLLAPSED, "teacher_entropy": 1.0, "batch_entropy": 1.7})


def test_a_collapse_may_only_be_said(make, caplog):
    with caplog.at_level("INFO"):
        make("on_collapse=warn").check_epoch(1, COLLAPSED)
    assert "collapse: " in caplog.text
