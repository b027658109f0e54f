"""conf/dlglc.yaml: settings that cancel each other."""

import pytest

from dlglc.settings import load_settings
from dlglc.settings.schema import DlglcSettings
from support.settings import refusal


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("epochs=8", "correction.from_epoch: the correction would begin in epoch 9, and the round has 8 (epochs)"),
        ("gate.from_epoch=16", "gate.from_epoch: the gate would begin in epoch 16, and the round has 15 (epochs)"),
        ("correction.from_epoch=4", "correction.from_epoch: before epoch 5 (gate.from_epoch) no label is refused"),
        ("gate.from_epoch=10", "--set gate.from_epoch=10: correction.from_epoch: before epoch 10"),
        ("gate.mode=none", "--set gate.mode=none: correction.mode: only labels that the gate refuses are corrected"),
        ("margin_warmup_epochs=16", "margin_warmup_epochs: the margin would still be rising after the last epoch"),
    ],
)
def test_settings_that_cancel_each_other_are_refused(words, part):
    assert part in refusal(DlglcSettings, words.split())


def test_what_is_just_within_the_limits_is_taken():
    load_settings(DlglcSettings, None, ["gate.from_epoch=9", "epochs=9", "margin_warmup_epochs=9"])
    load_settings(DlglcSettings, None, ["margin=0", "margin_warmup_epochs=16"])


@pytest.mark.parametrize("gate", ["dynamic", "fixed", "none"])
def test_what_is_off_cancels_nothing(gate):
    words = [f"gate.mode={gate}", "correction.mode=none", "correction.from_epoch=99"]
    words += ["gate.from_epoch=99"] if gate == "none" else []
    load_settings(DlglcSettings, None, words)
