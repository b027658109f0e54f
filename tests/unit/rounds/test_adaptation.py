"""An encoder while it is adapted: frozen parts and norms, rates by part, the pull, the choice of an epoch."""

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from dlglc.encoders import build_encoder
from dlglc.rounds.adaptation import Adaptation
from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, DlglcSettings

ENCODER = load_settings(DinoSettings, None, ["encoder.name=resnet34", "encoder.channels=2"]).encoder


def adaptation(*words, held_out=None):
    torch.manual_seed(0)
    encoder = build_encoder(ENCODER, 80)
    settings = load_settings(DlglcSettings, None, [f"adapt.{word}" for word in words]).adapt
    return Adaptation(settings, encoder, encoder, held_out)


def norms_in_training(parts):
    return {m.training for part in parts for top in part.modules for m in top.modules() if isinstance(m, _BatchNorm)}


def test_without_settings_everything_is_trained():
    found = adaptation()
    assert all(p.requires_grad for p in found.encoder.parameters())
    assert norms_in_training(found.encoder.parts()) == {True}
    assert (found.factors, found.penalty(), found.measure(torch.device("cpu"))) == ({}, 0.0, {})


def test_frozen_parts_get_no_gradient_and_keep_their_statistics():
    encoder = adaptation("trained_parts=2").encoder
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder(torch.randn(3, 40, 80)).square().sum().backward()
    parts = encoder.parts()
    assert norms_in_training(parts[:3]) == {False}
    assert norms_in_training(parts[3:4]) == {True}
    frozen = {id(p) for part in parts[:3] for module in part.modules for p in module.parameters()}
    assert all((p.grad is None) == (id(p) in frozen) for p in encoder.parameters())
    changed = {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}
    assert changed
    assert all("running" in name or "tracked" in name for name in changed)
    assert norms_in_training(adaptation("trained_parts=2", "frozen_norms=true").encoder.parts()) == {False}


def test_rates_fall_towards_the_input():
    found = adaptation("layer_decay=0.5")
    parts = found.encoder.parts()
    by_part = [{found.factors[p] for m in part.modules for p in m.parameters()} for part in parts]
    assert by_part == [{0.0625}, {0.125}, {0.25}, {0.5}, {1.0}]


def test_the_pull_is_the_squared_distance_to_the_start():
    found = adaptation("pull=0.3", "trained_parts=1")
    assert found.penalty().item() == 0
    with torch.no_grad():
        found.encoder.embedding.bias += 2.0
        found.encoder.embedding.weight[0, 0] -= 1.0
    assert found.penalty().item() == pytest.approx(0.15 * (4 * len(found.encoder.embedding.bias) + 1), rel=1e-5)
    found.penalty().backward()
    assert found.encoder.embedding.weight.grad[0, 0] == pytest.approx(-0.3, rel=1e-5)


class Signs:
    """Error rates as they were written down."""

    def __init__(self, *values):
        self.values = list(values)

    def error_rate(self, network, device):
        return self.values.pop(0)


def test_the_epoch_with_the_lowest_error_rate_is_kept(caplog):
    found = adaptation(held_out=Signs(5.0, 4.0, 6.0))
    cpu = torch.device("cpu")
    with caplog.at_level("INFO"):
        found.measure_start(cpu)
    assert "start: held_out_eer 5" in caplog.text
    for value in (1.0, 2.0):
        torch.nn.init.constant_(found.encoder.embedding.bias, value)
        found.measure(cpu)
    again = adaptation(held_out=Signs())
    again.load_state(found.state())
    for one in (found, again):
        with caplog.at_level("INFO"):
            assert one.choose()["embedding.bias"].eq(1.0).all()
        assert "the model is that of epoch 1, with the error rate 4 % (start: 5 %)" in caplog.text
        caplog.clear()


@pytest.mark.parametrize("after", [(5.0, 6.0), (7.0, 100.0)])
def test_a_training_that_makes_nothing_better_leaves_the_start(after, caplog):
    found = adaptation(held_out=Signs(5.0, *after))
    cpu = torch.device("cpu")
    before = {name: value.clone() for name, value in found.encoder.state_dict().items()}
    found.measure_start(cpu)
    for _ in after:
        torch.nn.init.constant_(found.encoder.embedding.bias, 3.0)
        assert found.measure(cpu)["held_out_start"] == 5.0
    chosen = found.choose()
    assert all(torch.equal(chosen[name], value) for name, value in before.items())
    words = f"no epoch has a lower error rate than the start (5 %; lowest after training {min(after):g} %)"
    assert words in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(
    ("patience", "signs", "finished"),
    [
        (0, (5.0, 6.0, 7.0), [False, False, False]),
        (1, (5.0, 6.0, 4.0), [False, True, False]),
        (1, (5.0, 5.0), [False, True]),
        (2, (5.0, 4.0, 6.0, 4.5, 3.0), [False, False, False, True, False]),
    ],
)
def test_it_ends_after_epochs_that_make_nothing_better(patience, signs, finished):
    found = adaptation("held_out=0.1", f"patience={patience}", held_out=Signs(*signs))
    assert not found.finished()
    for expected in finished:
        found.measure(torch.device("cpu"))
        assert found.finished() == expected
    again = adaptation("held_out=0.1", f"patience={patience}", held_out=Signs())
    again.load_state(found.state())
    assert again.finished() == finished[-1]
