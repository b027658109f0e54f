"""What both trainings have in common: settings that cancel each other."""

import pytest

from dlglc.settings import load_settings
from dlglc.settings.schema import DinoSettings, DlglcSettings
from support.settings import refusal


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("accumulate=129", "accumulate: 129 parts of 256 utterances (batch_size): batch norm needs two in each"),
        (
            "optimiser.warmup_epochs=15.1",
            "optimiser.warmup_epochs: the rate would still be rising after the last epoch",
        ),
        ("average_epochs=16", "average_epochs: the mean would be of 16 epochs, and there are 15 (epochs)"),
        ("optimiser.final_lr=0", "optimiser.final_lr: an exponential schedule never reaches 0"),
        ("optimiser.final_lr=0.2", "optimiser.final_lr: the rate would rise from 0.1 (lr) to 0.2"),
        ("optimiser.lr=1e-5", "--set optimiser.lr=1e-5: optimiser.final_lr: the rate would rise"),
        (
            "optimiser.momentum=0",
            "--set optimiser.momentum=0: optimiser.nesterov: Nesterov's method needs a momentum above 0",
        ),
    ],
)
def test_settings_that_cancel_each_other_are_refused(words, part):
    assert part in refusal(DlglcSettings, words.split())


def test_what_is_just_within_the_limits_is_taken():
    words = ["accumulate=128", "average_epochs=15", "optimiser.warmup_epochs=15", "optimiser.final_lr=0.1"]
    load_settings(DlglcSettings, None, words)
    load_settings(DlglcSettings, None, ["optimiser.momentum=0", "optimiser.nesterov=false"])
    load_settings(DlglcSettings, None, ["optimiser.momentum=0", "optimiser.name=adamw"])
    load_settings(DlglcSettings, None, ["optimiser.final_lr=0", "optimiser.schedule=cosine"])


def test_an_untrained_encoder_needs_no_epochs_that_warm_up_or_are_averaged():
    assert load_settings(DinoSettings, None, ["epochs=0"]).epochs == 0
