"""What all schemas share: frozen, strict, no unknown keys."""

import pydantic
import pytest

from dlglc.settings import load_settings
from dlglc.settings.schema import LARGEST, DlglcSettings, HeadSettings


def test_settings_cannot_be_changed():
    settings = load_settings(DlglcSettings)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.epochs = 3
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        settings.gate.mode = "none"


@pytest.mark.parametrize("value", ["3", 3.0, True, None, [3], LARGEST + 1, 0, -1, float("nan")])
def test_nothing_is_converted(value):
    with pytest.raises(pydantic.ValidationError):
        HeadSettings(hidden=value, bottleneck=1, outputs=2)


def test_whole_numbers_go_up_to_the_largest():
    assert HeadSettings(hidden=LARGEST, bottleneck=1, outputs=2).hidden == LARGEST


def test_unknown_keys_are_refused():
    with pytest.raises(pydantic.ValidationError, match="Extra inputs"):
        HeadSettings(hidden=1, bottleneck=1, outputs=2, layers=3)
