"""The training loop: updates in parts and over processes, and runs that are stopped and go on."""

import pytest
import torch

from dlglc.errors import RecipeError
from dlglc.files import load_tensors
from support.training import figures
from unit.training.noisy import Noisy, start
from unit.training.two_processes import train


def weights(out_dir) -> torch.Tensor:
    return torch.cat([value.flatten() for value in load_tensors(out_dir / "checkpoint.pt")["module"].values()])


def test_an_update_in_parts_is_that_of_the_whole_batch(tiny, processes, two_processes, tmp_path):
    for parts in (1, 2, 4):
        train(processes, tiny / "train", tmp_path / str(parts), parts)
    train(processes, tiny / "train", tmp_path / "smaller", 1, batch_size=4)
    whole = weights(tmp_path / "1")
    runs = [tmp_path / "1", tmp_path / "2", tmp_path / "4", two_processes / "trained"]
    for other in runs:
        torch.testing.assert_close(weights(other), whole, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(weights(tmp_path / "smaller"), whole, rtol=1e-2)
    logged = [(run / "metrics.jsonl").read_text().split('"loss": ')[1][:6] for run in runs]
    assert len(set(logged)) == 1


def test_every_utterance_is_seen_once_an_epoch_and_progress_rises_evenly(crops, tmp_path):
    task = Noisy()
    trainer = start(crops, tmp_path / "out", task)
    assert trainer.hours == pytest.approx(3 * 12 * 0.2 / 3600)
    assert len(task.seen) == 9
    for epoch in range(3):
        assert sorted(i for step in task.seen[3 * epoch : 3 * epoch + 3] for i in step) == list(range(12))
    assert task.progress == pytest.approx([step / 9 for step in range(9)])
    lines = figures(tmp_path / "out")
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert set(lines[0]) == {"epoch", "lr", "loss", "noise"}


@pytest.mark.parametrize("words", [[], ["accumulate=2"]])
def test_a_run_that_is_stopped_at_every_step_goes_on_to_the_same_bits(crops, tmp_path, words):
    start(crops, tmp_path / "whole", Noisy(), *words)
    stops = 0
    while stops < 20:
        torch.manual_seed(stops)  # another process begins with another generator
        try:
            start(crops, tmp_path / "parts", Noisy(), "checkpoint_minutes=0", *words, hours=0)
            break
        except RecipeError as error:
            assert "(--max-hours)" in str(error)
            stops += 1
    assert stops == 8
    assert figures(tmp_path / "parts") == figures(tmp_path / "whole")
    whole, parts = (load_tensors(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts"))
    assert all(torch.equal(whole["module"][name], parts["module"][name]) for name in whole["module"])
    assert torch.equal(whole["rng"], parts["rng"])


def test_a_run_is_stopped_at_the_end_of_an_epoch_too(crops, tmp_path):
    with pytest.raises(RecipeError, match=r"stopped after 0 h .*at epoch 1, step 2"):
        start(crops, tmp_path / "out", Noisy(), hours=0)
    one_step = ["batch_size=12"]
    with pytest.raises(RecipeError, match=r"stopped after 0 h .*at epoch 2, step 1"):
        start(crops, tmp_path / "long", Noisy(), *one_step, hours=0)


def test_a_finished_run_has_nothing_to_do(crops, tmp_path):
    start(crops, tmp_path / "out", Noisy())
    before = (tmp_path / "out/metrics.jsonl").read_text()
    again = Noisy()
    start(crops, tmp_path / "out", again)
    assert again.seen == []
    assert (tmp_path / "out/metrics.jsonl").read_text() == before


class Short(Noisy):
    """A task that wants no third epoch."""

    ended = 0

    def end_epoch(self, epoch):
        self.ended = epoch + 1
        return {}

    def finished(self):
        return self.ended >= 2

    def state(self):
        return {"ended": self.ended}

    def load_state(self, state):
        self.ended = state["ended"]


def test_a_task_may_end_before_its_last_epoch_also_if_it_is_resumed_there(crops, tmp_path, caplog):
    task, again = Short(), Short()
    with caplog.at_level("INFO"):
        start(crops, tmp_path / "out", task)
    assert len(task.seen) == 6
    assert "ends after 2 of 3 epochs: it no longer gets better" in caplog.text
    start(crops, tmp_path / "out", again)
    assert again.seen == []
    assert [line["epoch"] for line in figures(tmp_path / "out")] == [1, 2]


@pytest.mark.parametrize(
    ("step", "words"), [(0, "the loss is nan in epoch 1, step 1"), (4, "not finite after epoch 2")]
)
def test_a_loss_that_is_not_finite_ends_the_run_with_a_remedy(crops, tmp_path, step, words):
    with pytest.raises(RecipeError, match=rf"{words}.*lower optimiser\.lr"):
        start(crops, tmp_path / "out", Noisy(bad_step=step))
    if step:
        assert load_tensors(tmp_path / "out/checkpoint.pt")["position"] == [1, 0]  # of the last good epoch


def test_gradients_are_clipped_tensor_by_tensor(crops, tmp_path):
    moved = {}
    for clip in (0, 1e-3):
        task = Noisy()
        before = [p.detach().clone() for p in task.module.parameters()]
        words = ["epochs=1", "batch_size=12", f"clip_grad={clip}", "optimiser.momentum=0", "optimiser.nesterov=false"]
        start(crops, tmp_path / str(clip), task, *words, "optimiser.weight_decay=0", "optimiser.final_lr=0.1")
        moved[clip] = [(p.detach() - b).norm().item() for p, b in zip(task.module.parameters(), before)]
    assert moved[1e-3] == pytest.approx([0.1 * 1e-3] * 2, rel=1e-2)
    assert min(moved[0]) > 1e-3
