"""hidden.scp: frames there and back, and frames of another encoder."""

import numpy as np
import pytest
import torch

from dlglc.data.arks import StoredArray
from dlglc.data.tables import read_table
from dlglc.encoders.hidden import HiddenWriter, check_hidden
from dlglc.errors import RecipeError


def test_frames_are_kept_with_sixteen_bits_and_sorted_by_id(tmp_path):
    frames = torch.randn(3, 7, 5)
    with HiddenWriter(tmp_path / "new") as writer:
        assert writer.keep(frames[:2], ["c", "a"]) is not None
        writer.keep(frames[2:], ["b"])
        assert not (tmp_path / "new/hidden.scp").exists()
    table = read_table(tmp_path / "new/hidden.scp")
    assert list(table) == ["a", "b", "c"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["hidden.ark", "hidden.scp"]
    for utt, matrix in zip("cab", frames.numpy()):
        np.testing.assert_allclose(StoredArray(table[utt]).read(), matrix, atol=np.ptp(matrix) / 65535)


def test_after_an_error_nothing_is_left(tmp_path):
    with pytest.raises(KeyboardInterrupt), HiddenWriter(tmp_path) as writer:
        writer.keep(torch.ones(1, 2, 2), ["a"])
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_other_frames_are_refused():
    frames = torch.randn(7, 5)
    check_hidden("hidden.scp", "a", frames.numpy() + 1e-3, frames)
    for kept in (torch.randn(7, 5).numpy(), frames[:6].numpy()):
        with pytest.raises(RecipeError, match=r"hidden\.scp: the frames of a are not those of this encoder"):
            check_hidden("hidden.scp", "a", kept, frames)
