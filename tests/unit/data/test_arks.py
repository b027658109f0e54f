"""Reading stretches of arks against kaldiio, in every form that it writes, and what is said of broken ones."""

import pickle

import kaldiio
import numpy as np
import pytest
from dlglc.data.arks import Stored, read_embeddings, write_embeddings
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.data.crops import FeatureCrops
from dlglc.data.fbank import Fbank


def write_ark(folder, arrays, form="ark", **options):
    with kaldiio.WriteHelper(f"{form},scp:{folder}/feats.ark,{folder}/feats.scp", **options) as writer:
        for name, array in arrays.items():
            writer(name, array)
    return dict(line.split() for line in (folder / "feats.scp").read_text().splitlines())


@pytest.mark.parametrize("method", [None, 2, 3, 5])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_any_rows_of_any_form_are_what_kaldiio_reads(tmp_path, method, kind):
    rng = np.random.default_rng(0)
    arrays = {f"u{i}": (5 * rng.standard_normal((17 + i, 6)) - 40).astype(kind) for i in range(3)}
    for where in write_ark(tmp_path, arrays, compression_method=method).values():
        whole = kaldiio.load_mat(where)
        stored = Stored(where)
        assert stored.shape == whole.shape
        assert (stored.whole is None) == (method != 2)
        np.testing.assert_allclose(stored.read(), whole, rtol=1e-6)
        for start, count in ((0, 1), (3, 9), (len(whole) - 1, 1)):
            out = np.empty((count, 6), dtype=np.float32)
            np.testing.assert_allclose(stored.read(start, out), whole[start : start + count], rtol=1e-6)


def test_text_vectors_and_slices(tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    where = write_ark(tmp_path, {"text": x}, "ark,t")["text"]
    np.testing.assert_allclose(Stored(where).read(1), x[1:])
    where = write_ark(tmp_path, {"v": x[0], "w": x[1].astype("f8"), "x": x})
    assert Stored(where["v"]).shape == (3,)
    np.testing.assert_array_equal(Stored(where["w"]).read(), x[1])
    np.testing.assert_array_equal(Stored(where["x"] + "[1:2]").read(), kaldiio.load_mat(where["x"] + "[1:2]"))


def test_crops_are_stretches_of_their_utterance(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"u{i}": rng.standard_normal((n, 80)).astype("f4") for i, n in enumerate((30, 80, 500))}
    write_ark(tmp_path, arrays, compression_method=3)
    crops = FeatureCrops(tmp_path, Fbank(load_config("fbank")), [(2, 0.5), (1, 0.2)], 0)
    batch = crops.batch(1, np.array([2, 0, 1]))
    assert batch["feats0"].shape == (6, 50, 80)
    for v, frames in ((0, 50), (1, 20)):
        for at, feats in enumerate(batch[f"feats{v}"].numpy()):
            whole = crops.load([2, 0, 1][at % 3])
            if len(whole) < frames:
                whole = np.resize(whole, (frames, 80))
            assert any(np.array_equal(feats, whole[s : s + frames]) for s in range(len(whole) - frames + 1))
    assert not np.array_equal(batch["feats0"][0], batch["feats0"][3])


def test_broken_arks_are_named_by_line(tmp_path):
    x = np.random.default_rng(0).standard_normal((40, 80)).astype("f4")
    write_ark(tmp_path, {"a": x, "b": x})
    fbank = Fbank(load_config("fbank"))
    ark = tmp_path / "feats.ark"
    ark.write_bytes(ark.read_bytes()[:-100])
    with pytest.raises(RecipeError, match=r"feats\.scp:2: cannot read .*cut short; run stage 2 again"):
        FeatureCrops(tmp_path, fbank, [], 0).load(1)
    (tmp_path / "feats.scp").write_text(f"a {ark}:9\nb {tmp_path}/none.ark:5\n")
    for row in (0, 1):
        with pytest.raises(RecipeError, match=rf"feats\.scp:{row + 1}: cannot read"):
            FeatureCrops(tmp_path, fbank, [], 0).load(row)
    write_ark(tmp_path, {"a": x[:, :40]})
    with pytest.raises(RecipeError, match=r"feats\.scp:1: a has shape \(40, 40\), expected \(T, 80\)"):
        FeatureCrops(tmp_path, fbank, [(1, 0.1)], 0).batch(0, np.array([0]))


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


def test_embeddings_there_and_back_and_what_is_wrong_with_them(tmp_path):
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
