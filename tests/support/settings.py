"""What is said about settings that are refused."""

from pathlib import Path

import pytest

from dlglc.errors import RecipeError
from dlglc.settings import Settings, load_settings


def refusal(schema: type[Settings], words: list[str] | None = None, path: str | Path | None = None) -> str:
    """What load_settings says: of printable lines, one for each mistake."""
    with pytest.raises(RecipeError) as error:
        load_settings(schema, path, words)
    assert all(line.isprintable() for line in str(error.value).split("\n"))
    return str(error.value)
