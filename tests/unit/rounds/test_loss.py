"""The loss of a round against its formula written out in Python, utterance by utterance."""

import math

import pytest
import torch

from dlglc.rounds.loss import CORRECTED, DROPPED, KEPT, correction_targets, dlglc_loss, relabelled_loss

SETTINGS = {"scale": 12.0, "margin": 0.25, "temperature": 0.3, "confidence": 0.7}


def draw(utterances=60, classes=7, dtype=torch.float64, seed=0):
    """Cosines of both views and labels, of which about half agree with the clean view."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(utterances, classes, generator=generator, dtype=torch.float64) * 1.8 - 0.9
    noise = torch.rand(utterances, classes, generator=generator, dtype=torch.float64) - 0.5
    labels = torch.randint(classes, (utterances,), generator=generator)
    labels[::2] = clean[::2].argmax(1)
    return (clean + 0.2 * noise).clamp(-0.95, 0.95).to(dtype), labels, clean.to(dtype)


def softmax(values):
    highest = max(values)
    powers = [math.exp(v - highest) for v in values]
    return [p / sum(powers) for p in powers]


def aam(cosines, label, scale, margin):
    """Equation of AAM-softmax for one utterance, with the linear continuation beyond pi - m."""
    target = math.cos(math.acos(cosines[label]) + margin)
    if math.acos(cosines[label]) > math.pi - margin:
        target = cosines[label] - margin * math.sin(margin)
    logits = [scale * (target if j == label else c) for j, c in enumerate(cosines)]
    return -math.log(softmax(logits)[label])


def slow(cosines, labels, clean, threshold, scale, margin, temperature, confidence, hard=False):
    """Total, decisions, targets and losses by loops over utterances and classes."""
    total, decisions, targets, losses = 0.0, [], [], []
    for i, label in enumerate(labels.tolist()):
        views = [cosines[i].tolist(), None if clean is None else clean[i].tolist()]
        loss = aam(views[0], label, scale, margin)
        losses.append(loss)
        if math.log(max(loss, 1e-8)) <= threshold:
            total += loss
            decisions.append(KEPT)
            targets.append(label)
            continue
        if clean is None:
            decisions.append(DROPPED)
            targets.append(label)
            continue
        prediction = softmax([scale * c / temperature for c in views[1]])
        best = prediction.index(max(prediction))
        targets.append(best)
        if prediction[best] > confidence:
            decisions.append(CORRECTED)
            if hard:
                prediction = [float(j == best) for j in range(len(prediction))]
            log_p = [math.log(p) for p in softmax([scale * c for c in views[0]])]
            total -= sum(p * q for p, q in zip(prediction, log_p))
        else:
            decisions.append(DROPPED)
    return total / len(labels), decisions, targets, losses


@pytest.mark.parametrize("threshold", [-3.0, -0.5, 0.5, 1.5, 9.0, math.inf])
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("with_clean", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_against_the_formula_written_out(threshold, hard, with_clean, dtype):
    cosines, labels, clean = draw(dtype=dtype)
    clean = clean if with_clean else None
    found = dlglc_loss(cosines, labels, clean, threshold, hard=hard, **SETTINGS)
    total, decisions, targets, losses = slow(cosines, labels, clean, threshold, hard=hard, **SETTINGS)
    assert found.total.dtype == found.losses.dtype == dtype
    assert found.total.item() == pytest.approx(total, rel=1e-9 if dtype == torch.float64 else 1e-4)
    assert found.losses.tolist() == pytest.approx(losses, rel=1e-9 if dtype == torch.float64 else 1e-4, abs=1e-6)
    assert found.decision.tolist() == decisions
    assert found.target.tolist() == targets


def test_the_drawn_utterances_are_of_all_three_kinds():
    """Without it the comparison with the formula could pass on a batch that has nothing to correct."""
    cosines, labels, clean = draw()
    decision = dlglc_loss(cosines, labels, clean, 0.5, **SETTINGS).decision
    assert min(int((decision == kind).sum()) for kind in (DROPPED, KEPT, CORRECTED)) > 5


@pytest.mark.parametrize("hard", [False, True])
def test_gradient_by_finite_differences(hard):
    cosines, labels, clean = draw(utterances=12)
    for threshold in (-1.0, 0.5, math.inf):
        assert torch.autograd.gradcheck(
            lambda c, t=threshold: dlglc_loss(c, labels, clean, t, hard=hard, **SETTINGS).total,
            [cosines.clone().requires_grad_()],
        )


def test_what_is_dropped_and_the_clean_view_get_no_gradient():
    cosines, labels, clean = draw()
    cosines, clean = cosines.requires_grad_(), clean.requires_grad_()
    found = dlglc_loss(cosines, labels, clean, 0.5, **SETTINGS)
    found.total.backward()
    assert clean.grad is None
    assert not found.losses.requires_grad
    moved = cosines.grad.abs().sum(1) > 0
    assert moved.tolist() == (found.decision != DROPPED).tolist()


def test_the_total_is_divided_by_all_utterances_of_the_batch():
    """Dropped utterances count, so that an update of few trusted labels is a small one."""
    cosines, labels, _ = draw()
    everything = dlglc_loss(cosines, labels, None, math.inf, **SETTINGS)
    kept = everything.losses.log() <= 0.0
    found = dlglc_loss(cosines, labels, None, 0.0, **SETTINGS)
    assert found.total.item() == pytest.approx(everything.losses[kept].sum().item() / len(labels))
    assert everything.total.item() == pytest.approx(everything.losses.mean().item())


def test_an_open_gate_keeps_every_label_and_asks_nothing_of_the_clean_view():
    cosines, labels, clean = draw()
    found = dlglc_loss(cosines, labels, torch.full_like(clean, math.nan), math.inf, **SETTINGS)
    assert (found.decision == KEPT).all()
    assert found.target.tolist() == labels.tolist()
    assert found.total.item() == pytest.approx(found.losses.mean().item())


def test_a_gate_that_keeps_nothing_without_correction_has_no_loss():
    cosines, labels, _ = draw()
    found = dlglc_loss(cosines.requires_grad_(), labels, None, -99.0, **SETTINGS)
    found.total.backward()
    assert found.total.item() == 0
    assert (found.decision == DROPPED).all()
    assert (cosines.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_loss_of_exactly_zero_is_seen_and_kept(dtype):
    """Float32 rounds a very small loss to 0. Its logarithm has a floor, and its label is the surest of all."""
    cosines = torch.tensor([[1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [0.1, 0.2, 0.3]], dtype=dtype).requires_grad_()
    labels = torch.tensor([0, 1, 0])
    found = dlglc_loss(cosines, labels, cosines.detach(), -18.0, scale=64.0, margin=0.0)
    if dtype == torch.float32:
        assert found.losses[:2].tolist() == [0.0, 0.0]
    assert found.decision.tolist()[:2] == [KEPT, KEPT]
    assert found.target.tolist()[:2] == [0, 1]
    assert found.decision[2] != KEPT
    found.total.backward()
    assert cosines.grad.isfinite().all()


def test_a_loss_at_the_threshold_is_kept():
    cosines, labels, _ = draw(utterances=4)
    losses = dlglc_loss(cosines, labels, None, math.inf, **SETTINGS).losses
    threshold = losses[2].log().item()
    decision = dlglc_loss(cosines, labels, None, threshold, **SETTINGS).decision
    assert decision.tolist() == [KEPT if loss <= losses[2] else DROPPED for loss in losses]


def test_a_sureness_at_the_confidence_is_not_enough():
    cosines = torch.zeros(1, 2)
    settings = {"scale": 1.0, "margin": 0.0, "temperature": 1.0}
    at, below = (dlglc_loss(cosines, torch.tensor([1]), cosines, -9.0, **settings, confidence=c) for c in (0.5, 0.499))
    assert (at.decision.item(), below.decision.item()) == (DROPPED, CORRECTED)


def test_sharpened_targets():
    cosines = torch.tensor([[0.50, 0.40, 0.10], [0.300, 0.299, 0.1]])
    soft, confidence, best = correction_targets(cosines, 32.0, 0.1, hard=False)
    expected = torch.softmax(cosines * 32 / 0.1, dim=-1)
    torch.testing.assert_close(soft, expected)
    torch.testing.assert_close(confidence, expected.max(-1).values)
    assert best.tolist() == [0, 0]
    hard, *_ = correction_targets(cosines, 32.0, 0.1, hard=True)
    assert hard.tolist() == [[1, 0, 0], [1, 0, 0]]


def test_a_lead_of_0_028_is_enough_for_confidence_one_half_of_7500_classes():
    cosines = torch.zeros(1, 7500)
    cosines[0, 3] = 0.028
    assert correction_targets(cosines, 32.0, 0.1, hard=False)[1].item() == pytest.approx(0.5, abs=0.02)


def test_the_cosines_that_predict_are_left_as_they_are():
    cosines = torch.rand(3, 5, generator=torch.Generator().manual_seed(0))
    before = cosines.clone()
    for hard in (False, True):
        targets, confidence, best = correction_targets(cosines, 32.0, 0.1, hard)
        torch.testing.assert_close(targets.sum(1), torch.ones(3))
        assert best.tolist() == cosines.argmax(1).tolist()
        assert ((confidence > 0) & (confidence <= 1)).all()
    assert torch.equal(cosines, before)


def test_a_gate_that_does_not_see_the_margin():
    """The gate compares the losses without the margin, and the kept labels are trained with it."""
    cosines, labels, _ = draw()
    losses = [aam(row, label, 32.0, 0.5) for row, label in zip(cosines.tolist(), labels.tolist())]
    plain = torch.tensor([aam(row, label, 32.0, 0.0) for row, label in zip(cosines.tolist(), labels.tolist())])
    threshold = float(plain.log().median())
    result = dlglc_loss(cosines, labels, None, threshold, scale=32.0, margin=0.5, gate_margin=False)
    kept = plain.log() <= threshold
    assert 0 < kept.sum() < len(labels)
    assert (result.decision == KEPT).tolist() == kept.tolist()
    torch.testing.assert_close(result.losses, plain.double(), rtol=1e-5, atol=1e-9)
    expected = sum(loss for loss, keep in zip(losses, kept) if keep) / len(labels)
    assert result.total.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_labels_replaced_by_predictions_of_whole_utterances(weight):
    cosines, labels, clean = draw()
    best, sure = clean.argmax(1), torch.arange(len(labels)) % 3 > 0
    threshold = 0.5
    found = relabelled_loss(cosines, labels, best, sure, threshold, scale=12.0, margin=0.25, weight=weight)
    total, share = 0.0, 0.0
    for i, label in enumerate(labels.tolist()):
        row, other = cosines[i].tolist(), int(best[i])
        loss = aam(row, label, 12.0, 0.25)
        if math.log(loss) <= threshold or other == label:
            decision, target, part = KEPT, label, 1.0
        elif sure[i]:
            decision, target, part = CORRECTED, other, weight
        else:
            decision, target, part = DROPPED, other, 0.0
        total, share = total + part * aam(row, target, 12.0, 0.25), share + part
        assert (found.decision[i], found.target[i]) == (decision, target)
        assert float(found.losses[i]) == pytest.approx(loss)
    assert float(found.total) == pytest.approx(total / share)
    assert set(found.decision.tolist()) == {KEPT, CORRECTED, DROPPED}
    assert ((found.decision == KEPT) & (found.losses.log() > threshold)).any()  # kept by agreement


def test_a_batch_without_a_label_to_train_on_has_no_loss():
    cosines, labels, _ = draw(utterances=4)
    nothing = torch.zeros(4, dtype=torch.bool)
    found = relabelled_loss(cosines, labels, (labels + 1) % 7, nothing, -99.0, scale=12.0, margin=0.25, weight=1.0)
    assert float(found.total) == 0
    assert found.decision.tolist() == [DROPPED] * 4
