"""Reading stretches of arks against kaldiio, in every form that it writes, and what is said of broken ones."""

import pickle

import kaldiio
import numpy as np
import pytest

from dlglc.data.arks import StoredArray, read_embeddings, read_some, write_embeddings
from dlglc.errors import RecipeError


@pytest.mark.parametrize("method", [None, 2, 3, 5])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_any_rows_of_any_form_are_what_kaldiio_reads(tmp_path, write_ark, method, kind):
    rng = np.random.default_rng(0)
    arrays = {f"u{i}": (5 * rng.standard_normal((17 + i, 6)) - 40).astype(kind) for i in range(3)}
    for where in write_ark(tmp_path, arrays, compression_method=method).values():
        whole = kaldiio.load_mat(where)
        stored = StoredArray(where)
        assert stored.shape == whole.shape
        assert (stored.whole is None) == (method != 2)
        np.testing.assert_allclose(stored.read(), whole, rtol=1e-6)
        for start, count in ((0, 1), (3, 9), (len(whole) - 1, 1)):
            out = np.empty((count, 6), dtype=np.float32)
            np.testing.assert_allclose(stored.read(start, out), whole[start : start + count], rtol=1e-6)


def test_text_vectors_and_slices(tmp_path, write_ark):
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    where = write_ark(tmp_path, {"text": x}, "ark,t")["text"]
    np.testing.assert_allclose(StoredArray(where).read(1), x[1:])
    where = write_ark(tmp_path, {"v": x[0], "w": x[1].astype("f8"), "x": x})
    assert StoredArray(where["v"]).shape == (3,)
    np.testing.assert_array_equal(StoredArray(where["w"]).read(), x[1])
    np.testing.assert_array_equal(StoredArray(where["x"] + "[1:2]").read(), kaldiio.load_mat(where["x"] + "[1:2]"))


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_in_an_scp_is_executed(tmp_path):
    mark = tmp_path / "executed"
    scp = tmp_path / "embedding.scp"
    (tmp_path / "evil.ark").write_bytes(b"u PKL" + pickle.dumps(Touch(mark)))
    for where, what in ((f"touch {mark} |", "command"), (f"{tmp_path}/evil.ark:2", "pickle")):
        scp.write_text(f"u {where}\n")
        with pytest.raises(RecipeError, match=rf"embedding\.scp:1: cannot read .*: this is a {what}, which is not "):
            read_embeddings(scp)
        assert not mark.exists()


def test_embeddings_there_and_back_and_what_is_wrong_with_them(tmp_path, write_ark):
    x = np.random.default_rng(0).standard_normal((5, 7)).astype("f4")
    scp = write_embeddings(tmp_path, list("edcba"), x)
    ids, matrix = read_embeddings(scp)
    assert ids == list("abcde")
    np.testing.assert_array_equal(matrix, x[::-1])
    lines = scp.read_text().splitlines()
    scp.write_text("\n".join([*lines[:2], f"c {tmp_path}/none.ark:2"]) + "\n")
    with pytest.raises(RecipeError, match=r"embedding\.scp:3: cannot read"):
        read_embeddings(scp)
    wrong = write_embeddings(tmp_path, ["z"], x[:1, :3], "narrow").read_text()
    scp.write_text("\n".join(lines) + "\n" + wrong)
    with pytest.raises(RecipeError, match=r"embedding\.scp:6: z has shape \(3,\), expected \(7,\)"):
        read_embeddings(scp)
    x[2, 3] = np.nan
    with pytest.raises(RecipeError, match=r"embedding\.scp:3: the embedding of c holds NaN"):
        read_embeddings(write_embeddings(tmp_path, list("abcde"), x))
    empty = write_ark(tmp_path, {"m": x})["m"]
    scp.write_text(f"m {empty}\n")
    with pytest.raises(RecipeError, match=r"embedding\.scp:1: m has shape \(5, 7\), expected \(D,\)"):
        read_embeddings(scp)


def test_a_few_embeddings_of_many(tmp_path):
    ids = [f"u{number}" for number in range(9)]
    scp = write_embeddings(tmp_path, ids, np.arange(27).reshape(9, 3))
    names, points = read_some(scp, lambda ids: np.array([1, len(ids) - 1]))
    assert names == ["u1", "u8"]
    np.testing.assert_array_equal(points, np.array([[3, 4, 5], [24, 25, 26]], "f4"))
    gone = write_embeddings(tmp_path / "gone", ids, np.zeros((9, 3)))
    (tmp_path / "gone/embedding.ark").unlink()
    with pytest.raises(RecipeError, match=r"embedding\.scp:2: cannot read .*extract the embeddings again"):
        read_some(gone, lambda ids: np.array([1]))
