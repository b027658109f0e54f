"""The task of a round: when gate and correction begin, what a step notes, and what a checkpoint brings back."""

import copy
import math

import numpy as np
import pytest
import torch

from dlglc.data.augment import Augmenter
from dlglc.data.crops import Crops
from dlglc.data.views import Views
from dlglc.encoders import build_encoder
from dlglc.rounds.gate import GateDecision
from dlglc.rounds.loss import CORRECTED, DROPPED, KEPT, dlglc_loss
from dlglc.rounds.predictions import random_confidence
from dlglc.rounds.task import GATE_MESSAGES, DlgLc
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, DinoSettings, DlglcSettings

SMALL = ["encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=8"]
ENCODER = load_settings(DinoSettings, None, SMALL).encoder
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])
ROUND = ["epochs=6", "batch_size=8", "gate.from_epoch=3", "correction.from_epoch=4", "margin_warmup_epochs=2"]


@pytest.fixture
def make(fbank, processes, tmp_path):
    """make("key=value", …) → the task of a round over 8 utterances in 3 clusters, from the same weights each time."""

    def task(*words, centroids=None, views=None, round_number=1, embed=None):
        torch.manual_seed(0)
        settings = load_settings(DlglcSettings, None, [*ROUND, *words])
        views = views or Views(fbank, None)
        encoder = build_encoder(ENCODER, 80)
        return DlgLc(settings, encoder, LABELS, 3, centroids, views, round_number, processes, tmp_path, embed=embed)

    return task


def batch(seed=0):
    feats = torch.randn(8, 20, 80, generator=torch.Generator().manual_seed(seed))
    return {"index": torch.tensor([5, 0, 3, 7, 2, 6, 1, 4]), "feats0": feats}


def run_epoch(task, epoch):
    task.begin_epoch(epoch)
    loss, figures = task.step(batch(epoch), epoch, epoch / 6)
    return loss, figures, task.end_epoch(epoch)


def test_a_step_is_the_loss_of_its_labels(make):
    task = make("epochs=6", "margin_warmup_epochs=2")
    task.begin_epoch(0)
    reference = copy.deepcopy(task.module)
    loss, figures = task.step(batch(), 0, 1 / 6)
    feats = batch()["feats0"]
    with torch.no_grad():
        cosines = reference(feats - feats.mean(1, keepdim=True))
    labels = torch.from_numpy(LABELS)[batch()["index"]]
    expected = dlglc_loss(cosines, labels, None, math.inf, scale=32.0, margin=0.1)  # half of the warm-up's 0.2
    torch.testing.assert_close(loss.detach(), expected.total)
    assert figures["accuracy"] == (cosines.argmax(1) == labels).float().mean()
    assert figures["aam"] == pytest.approx(expected.losses.mean().item(), rel=1e-5)
    torch.testing.assert_close(task.records.losses[batch()["index"]], expected.losses.float())


def test_the_margin_rises_over_its_epochs(make):
    assert [make().margin(p) for p in (0, 1 / 6, 2 / 6, 0.9)] == pytest.approx([0.0, 0.1, 0.2, 0.2])
    assert make("margin_warmup_epochs=0").margin(0.0) == 0.2


def test_gate_and_correction_begin_in_their_epochs(make):
    task, said = make("correction.confidence=0.0", "gate.min_kept=0.0"), []
    for epoch in range(6):
        task.begin_epoch(epoch)
        if task.gate.how != "off":
            task.gate = GateDecision(-99.0, "crossing")  # a gate that refuses every label
        task.step(batch(epoch), epoch, epoch / 6)
        said.append(task.end_epoch(epoch))
    assert [line["gate"] for line in said[:2]] == ["off", "off"]
    assert [(line["kept"], line["corrected"], line["dropped"]) for line in said] == (
        [(1, 0, 0)] * 2 + [(0, 0, 1)] + [(0, 1, 0)] * 3
    )
    assert said[0]["threshold"] is None
    assert said[2]["threshold"] == pytest.approx(math.exp(-99))


def test_the_gate_is_set_by_the_losses_of_the_epoch_before(make, monkeypatch):
    task = make()
    for epoch in range(3):
        losses = task.previous_losses
        run_epoch(task, epoch)
    decided = task.gate
    assert decided.how != "off"
    expected = task.decide(2) if torch.equal(losses, task.previous_losses) else decided
    assert decided == expected
    assert sorted(line.name for line in task.gate_dir.iterdir()) == [f"epoch0{n}.npz" for n in (1, 2, 3)]


def test_an_earlier_threshold_stands_in_and_is_said(make, caplog):
    task = make()
    task.previous_losses, task.last_threshold = torch.full((8,), 2.0), 0.9
    with caplog.at_level("INFO"):
        task.begin_epoch(4)
    assert task.gate.threshold == 0.9
    assert GATE_MESSAGES["previous"] in caplog.text
    assert task.last_threshold == 0.9


def test_a_fixed_gate_follows_the_round(make):
    for number, threshold in ((1, 1.0), (2, 3.0), (9, 6.0)):
        task = make("gate.mode=fixed", round_number=number)
        task.previous_losses = torch.full((8,), 0.1)
        task.begin_epoch(4)
        assert math.exp(task.gate.threshold) == pytest.approx(threshold)


def test_the_clean_view_moves_no_statistics(make, fbank, tiny):
    augmenter = Augmenter(load_settings(AugmentSettings, None, ["reverb_share=0"]), tiny / "noise", None, 16000)
    crops = Crops(tiny / "train", fbank, [(1, 0.3)], augmenter, 0)
    data = crops.batch(0, np.arange(8))
    views = Views(fbank, augmenter)
    task = make(views=views)
    before = copy.deepcopy(task.module.state_dict())
    clean = task.clean_cosines(data)
    after = task.module.state_dict()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert all(name.endswith("num_batches_tracked") for name in moved)
    assert not clean.requires_grad
    momenta = {m.momentum for m in task.module.modules() if isinstance(m, torch.nn.BatchNorm2d)}
    assert momenta == {0.1}
    with torch.no_grad():
        torch.testing.assert_close(clean, task.module(views(data, 0, augmented=False)))
        assert not torch.allclose(clean, task.module(views(data, 0)))


@pytest.mark.parametrize("clean_first", [False, True])
def test_in_half_precision_every_weight_has_its_gradient(make, clean_first):
    """Autocast keeps the rounded weights of their first use. If that is a clean view, without gradient, they must not
    be taken for the augmented view. Older versions of torch did so.
    """
    task = make("gate.min_kept=0.0", "correction.confidence=0.0")
    task.begin_epoch(4)
    task.gate = GateDecision(0.0, "crossing")
    assert task.corrects(4)
    with torch.autocast("cpu", torch.bfloat16):
        if clean_first:
            task.clean_cosines(batch())
        loss, _ = task.step(batch(), 4, 0.7)
    loss.backward()
    without = [name for name, p in task.module.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_class_weights_may_start_from_centroids(make):
    centroids = np.random.default_rng(0).normal(size=(3, 8)).astype("f4")
    weights = make(centroids=centroids).module.classifier.weight
    np.testing.assert_array_equal(weights.detach().numpy(), centroids)


@pytest.mark.parametrize("stop", ["between epochs", "in the middle"])
def test_a_resumed_task_goes_on_to_the_same_records(make, stop):
    whole, first, second = make(), make(), make()
    for epoch in range(5):
        run_epoch(whole, epoch)
    for epoch in range(4):
        run_epoch(first, epoch)
    if stop == "in the middle":
        first.begin_epoch(4)
        first.step(batch(4), 4, 4 / 6)
    second.module.load_state_dict(copy.deepcopy(first.module.state_dict()))
    second.load_state(copy.deepcopy(first.state()))
    second.begin_epoch(4)
    if stop == "between epochs":
        second.step(batch(4), 4, 4 / 6)
    second.end_epoch(4)
    assert torch.equal(whole.previous_losses, second.previous_losses)
    assert whole.last_threshold == second.last_threshold
    one, other = (np.load(task.gate_dir / "epoch05.npz") for task in (whole, second))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    expected, found = whole.mean.sums, second.mean.sums
    assert expected.keys() == found.keys()


def embeddings(calls):
    """A function that gives embeddings of the 8 utterances near their classes, but 0 near class 1, and counts calls."""
    rng = np.random.default_rng(0)
    near = np.eye(8, dtype="f4")[[1, *LABELS[1:]]] + 0.01 * rng.standard_normal((8, 8)).astype("f4")

    def embed():
        calls.append(1)
        return near

    return embed


UTTERANCE = ("correction.mode=utterance", "correction.random_share=0.99", "gate.min_kept=0.0")


def refuse_all(task, epoch):
    """Begin an epoch with a gate that refuses every label."""
    task.decide = lambda _: GateDecision(-99.0, "crossing")
    task.begin_epoch(epoch)


def test_whole_utterances_are_predicted_once_per_epoch_and_correct_labels(make):
    calls = []
    task = make(*UTTERANCE, "correction.ramp_epochs=2", embed=embeddings(calls))
    for epoch in range(3):
        run_epoch(task, epoch)
    assert calls == []  # correction begins in epoch 4
    for epoch in (3, 4):
        refuse_all(task, epoch)
        assert task.encoder.training
        task.step(batch(epoch), epoch, epoch / 6)
        figures = task.end_epoch(epoch)
    assert len(calls) == 2
    with np.load(task.gate_dir / "epoch05.npz") as record:
        assert record["decision"].tolist() == [CORRECTED, *[KEPT] * 7]
        assert record["target"].tolist() == [1, *LABELS[1:]]
    assert figures["corrected"] == 1 / 8
    assert [task.correction_weight(p / 6) for p in (3, 4, 5, 5.5)] == [0.0, 0.5, 1.0, 1.0]
    assert make(*UTTERANCE, "correction.ramp_epochs=0").correction_weight(0.5) == 1.0


def test_a_share_of_random_embeddings_sets_the_confidence(make):
    task = make("correction.random_share=0.1", "correction.confidence=0.2")
    refuse_all(task, 3)
    weights = task.module.classifier.weight
    assert task.confidence == random_confidence(weights, 32.0, 0.1, 0.1, 0) > 0.2
    resumed = make("correction.random_share=0.1")
    resumed.load_state(copy.deepcopy(task.state()))
    resumed.module.classifier.weight.data.neg_()  # in the middle of the epoch the weights are others
    refuse_all(resumed, 3)
    assert resumed.confidence == task.confidence
    unchanged = make("correction.confidence=0.2")
    refuse_all(unchanged, 3)
    assert unchanged.confidence == 0.2


def test_a_task_that_is_resumed_in_an_epoch_keeps_its_predictions(make):
    first, second = make(*UTTERANCE, embed=embeddings([])), make(*UTTERANCE)  # the second could not predict
    refuse_all(first, 4)
    second.load_state(copy.deepcopy(first.state()))
    refuse_all(second, 4)
    assert torch.equal(first.best, second.best) and torch.equal(first.sure, second.sure)
    assert second.best.tolist() == [1, *LABELS[1:]]


def test_decisions_of_an_epoch_are_counted_once_each(make):
    task = make()
    for epoch in range(5):
        *_, figures = run_epoch(task, epoch)
        with np.load(task.gate_dir / f"epoch0{epoch + 1}.npz") as record:
            for name, kind in (("kept", KEPT), ("corrected", CORRECTED), ("dropped", DROPPED)):
                assert figures[name] == np.mean(record["decision"] == kind)
    assert task.records.losses.tolist() == [0.0] * 8  # the next epoch's are empty


def test_the_histograms_of_an_epoch_are_those_of_its_record(make):
    task = make("correction.confidence=0.0")
    for epoch in range(5):
        run_epoch(task, epoch)
    parts = {"log_loss_kept": KEPT, "log_loss_corrected": CORRECTED, "log_loss_dropped": DROPPED}
    for epoch in range(5):
        found = task.histograms(epoch)
        with np.load(task.gate_dir / f"epoch0{epoch + 1}.npz") as record:
            np.testing.assert_array_equal(found["log_loss"], record["log_loss"])
            for name, kind in parts.items():
                expected = record["log_loss"][record["decision"] == kind]
                np.testing.assert_array_equal(found.get(name, []), expected)
    (task.gate_dir / "epoch05.npz").unlink()
    assert task.histograms(4) == {}
