"""The form of a file of embeddings by its name."""

from pathlib import Path

import pytest

from dlglc.errors import RecipeError
from dlglc.front.writing import check_form, write_ark, write_npz, write_parquet


def test_the_ending_says_the_form(tmp_path):
    (tmp_path / "a.b").mkdir()
    for name, expected in (("a.npz", write_npz), ("b.parquet", write_parquet), ("c", write_ark), ("a.b", write_ark)):
        assert check_form(tmp_path / name) is expected
    with pytest.raises(RecipeError, match="expected NAME"):
        check_form(Path("a.csv"))
