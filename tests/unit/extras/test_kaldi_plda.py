"""Kaldi's PLDA files against their layout written out byte by byte, and Kaldi's way of scoring them."""

import struct
from dataclasses import replace

import numpy as np
import pytest

from dlglc.errors import RecipeError
from dlglc.extras.kaldi_plda import load_kaldi_plda, save_kaldi_plda
from dlglc.scoring.plda import train_plda


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(30), 6)
    x = rng.normal(size=(30, 7))[labels] + 0.7 * rng.normal(size=(180, 7)) + 2
    return x, train_plda(x, labels, 5, 2, 5)[0]


def vector(values, kind="d"):
    return {"d": b"DV ", "f": b"FV "}[kind] + b"\4" + struct.pack(f"<i{len(values)}{kind}", len(values), *values)


def matrix(rows, kind="d"):
    sizes = b"\4" + struct.pack("<i", len(rows)) + b"\4" + struct.pack("<i", len(rows[0]))
    return {"d": b"DM ", "f": b"FM "}[kind] + sizes + b"".join(struct.pack(f"<{len(r)}{kind}", *r) for r in rows)


def text(rows):
    lines = "".join("  " + " ".join(f"{v:.17g}" for v in row) + " \n" for row in rows)
    return f" [\n{lines[:-1]}]\n"


def test_layout(world, tmp_path):
    model = replace(world[1], centre=np.arange(5) / 10)
    save_kaldi_plda(tmp_path, model)
    affine = np.hstack([model.lda.T, -model.centre[:, None]])
    assert (tmp_path / "mean.vec").read_bytes() == b"\0B" + vector(model.mean)
    assert (tmp_path / "transform.mat").read_bytes() == b"\0B" + matrix(affine)
    parts = vector(model.mu) + matrix(model.diagonal.T) + vector(model.psi)
    assert (tmp_path / "plda").read_bytes() == b"\0B<Plda> " + parts + b"</Plda> "


@pytest.mark.parametrize("form", ["binary", "single", "text"])
def test_ratios_are_those_of_kaldi(world, tmp_path, form):
    """mean.vec, transform.mat, length normalisation, plda: then Kaldi's LogLikelihoodRatio for one utterance."""
    x, model = world
    if form == "binary":
        save_kaldi_plda(tmp_path, model)
    elif form == "single":
        (tmp_path / "mean.vec").write_bytes(b"\0B" + vector(model.mean, "f"))
        (tmp_path / "transform.mat").write_bytes(b"\0B" + matrix(model.lda.T, "f"))
        parts = vector(model.mu) + matrix(model.diagonal.T) + vector(model.psi)
        (tmp_path / "plda").write_bytes(b"\0B<Plda> " + parts + b"</Plda> ")
    else:
        (tmp_path / "mean.vec").write_text(f" [ {' '.join(map(repr, model.mean.tolist()))} ]\n")
        (tmp_path / "transform.mat").write_text(text(model.lda.T))
        vectors = [f" [ {' '.join(map(repr, v.tolist()))} ]\n" for v in (model.mu, model.psi)]
        (tmp_path / "plda").write_text(f"<Plda> {vectors[0]}{text(model.diagonal.T)}{vectors[1]}</Plda> ")
    found = load_kaldi_plda(tmp_path)
    left, right = found.score_factors(found.transform(x), found.transform(x))

    def transform(embedding):
        z = model.lda.T @ (embedding - model.mean)
        return model.diagonal.T @ (z * np.sqrt(len(z) / (z @ z)) - model.mu)

    for i, j in ((0, 1), (3, 100)):
        e, t, psi = transform(x[i]), transform(x[j]), model.psi
        variance = 1 + psi / (psi + 1)
        given = -0.5 * (np.log(variance).sum() + ((t - psi / (psi + 1) * e) ** 2 / variance).sum())
        without = -0.5 * (np.log(1 + psi).sum() + (t**2 / (1 + psi)).sum())
        assert left[i] @ right[j] == pytest.approx(given - without, abs=1e-3)


def test_there_and_back(world, tmp_path):
    save_kaldi_plda(tmp_path, world[1])
    there, back = vars(world[1]), vars(load_kaldi_plda(tmp_path))
    for name in there:
        np.testing.assert_allclose(there[name], back[name], atol=1e-12)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("plda", None, "plda: no such file"),
        ("plda", b"", "no <Plda>"),
        ("plda", b"\0B<Plda> DV \4\5\0\0\0short</Plda> ", "not what Kaldi writes"),
        ("plda", b"<Plda> [ 1 2 ]\n </Plda>", "expected 3 arrays"),
        ("mean.vec", b" [ 1 2 3 ]\n", "do not fit together"),
        ("mean.vec", b" [ 1 two 3 ]\n", "not what Kaldi writes"),
        ("transform.mat", b"PKL\0garbage", "expected 1 arrays"),
    ],
)
def test_damage_is_named(world, tmp_path, name, content, message):
    save_kaldi_plda(tmp_path, world[1])
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecipeError, match=message):
        load_kaldi_plda(tmp_path)
