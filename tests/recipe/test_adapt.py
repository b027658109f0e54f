"""run.sh --from: an encoder of others is imported, scored as it comes, and adapted in rounds."""

import json
import re
import shutil

import numpy as np
import pytest
import torch

from dlglc.bundles.export import export_onnx
from dlglc.data.arks import read_embeddings
from dlglc.encoders.models import load_model
from dlglc.files import load_tensors
from support.chain import run

# The encoder of the mini corpus stands for a published one. The held-out share is large: there are few clusters.
WORDS = ["--from", "exp/mini/dino/model.pt", "--exp", "exp/adapted", "--nj", "2", "--rounds", "1"]
SMALL = ["--set", "cluster.num_clusters=8", "--set", "dlglc.adapt.held_out=0.3", "--set", "dlglc.epochs=3"]


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished tree, for a test that goes on in it."""
    return shutil.copytree(finished.tree, tmp_path / "tree", symlinks=True)


def test_an_encoder_is_adapted_and_scored(copied):
    first = run(copied, "--stage", "3", *WORDS, *SMALL)
    exp = copied / "exp/adapted"
    assert re.findall(r"stage (\d): ([^:\n]*): done", first.stdout)[0] == ("3", "the encoder to start from")
    records = json.loads((exp / "results.json").read_text())
    backends = {system: [r["backend"] for r in records if r["system"] == system] for system in ("start", "round1")}
    for found in backends.values():
        assert found[:2] in (["raw", "raw_half"], ["raw", "cosine"])
        assert {"cosine", "asnorm", "plda"} <= set(found)
    assert not (exp / "dino").exists()
    given, start, after = (
        load_tensors(copied / f"exp/{name}/model.pt")["state"]
        for name in ("mini/dino", "adapted/start", "adapted/round1")
    )
    assert all(torch.equal(value, start[name]) for name, value in given.items())
    frozen = [name for name in start if name.startswith(("front.", "blocks."))]
    assert frozen
    assert all(torch.equal(start[name], after[name]) for name in frozen)
    lines = [json.loads(line) for line in (exp / "round1/metrics.jsonl").read_text().splitlines()]
    assert all("held_out_eer" in line for line in lines)
    assert (exp / "start/train/hidden.scp").exists()
    again = run(copied, "--stage", "3", "--stop-stage", "5", *WORDS, *SMALL)
    assert "exp/adapted/round1/model.pt is finished with these settings: reused" in again.stdout + again.stderr


def test_a_training_that_harms_leaves_the_start_and_every_page_says_so(copied):
    harm = ["--set", "dlglc.optimiser.lr=3.0", "--set", "dlglc.adapt.patience=1"]
    done = run(copied, "--stage", "3", *WORDS, *SMALL, *harm)
    exp = copied / "exp/adapted"
    start, after = (load_tensors(exp / f"{name}/model.pt")["state"] for name in ("start", "round1"))
    assert all(torch.equal(value, after[name]) for name, value in start.items())
    (line,) = (json.loads(text) for text in (exp / "round1/metrics.jsonl").read_text().splitlines())  # of three epochs
    assert line["held_out_eer"] > line["held_out_start"]
    assert "no epoch has a lower error rate than the start" in done.stdout
    assert "**round1 changes nothing.** The model is the start, unchanged" in (exp / "RESULTS.md").read_text()
    assert "The model is the start, unchanged" in (exp / "report.html").read_text()
    assert "round1: The model is the start" in " ".join(
        run(copied, "--diagnose", "--exp", "exp/adapted").stdout.split()
    )


def test_an_onnx_file_gives_embeddings_clusters_and_scores(copied, monkeypatch):
    monkeypatch.chdir(copied)  # paths in tables are as run.sh sees them
    (copied / "their.onnx").write_bytes(export_onnx(load_model(copied / "exp/mini/dino/model.pt")))
    words = ["--from", "their.onnx", "--exp", "exp/frozen", "--nj", "2", "--set", "cluster.num_clusters=8"]
    refused = run(copied, "--stage", "3", *words, "--rounds", "1", check=False)
    assert "an ONNX file gives embeddings, and cannot be trained: add --rounds 0" in refused.stderr
    run(copied, "--stage", "3", *words, "--rounds", "0")
    exp = copied / "exp/frozen"
    rates = {r["backend"]: r["eer"] for r in json.loads((exp / "results.json").read_text()) if r["system"] == "start"}
    assert {"raw", "cosine", "asnorm", "plda"} <= set(rates)
    found, expected = (
        read_embeddings(path / "eval/embedding.scp")[1] for path in (exp / "start", copied / "exp/mini/dino")
    )
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
    assert not (exp / "start/model.pt").exists()
    assert run(copied, *words, "--rounds", "0", "--status").returncode == 0


def test_all_parts_are_trained_where_nothing_is_kept(copied):
    words = [
        "--set",
        "dlglc.adapt.cache=false",
        "--set",
        "dlglc.adapt.trained_parts=0",
        "--set",
        "dlglc.adapt.layer_decay=0.5",
    ]
    run(copied, "--stage", "3", "--stop-stage", "5", *WORDS, *SMALL, *words, "--set", "dlglc.adapt.held_out=0.0")
    exp = copied / "exp/adapted"
    start, after = (load_tensors(exp / f"{name}/model.pt")["state"] for name in ("start", "round1"))
    assert not torch.equal(start["front.0.weight"], after["front.0.weight"])
    assert not (exp / "start/train/hidden.scp").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "wavlm"], r"invalid choice: 'wavlm' .*campplus(.|\n)*--from wavlm: no such file, and no encoder"),
        (["--from", "README.md", "--initial-model", "README.md"], "both name the encoder to start from"),
        (["--from", "README.md", "--initial", "dino"], "--initial takes start, previous or a system"),
        (["--from", "README.md", "--variant", "start"], "--variant takes small letters"),
        (["--from", "README.md", "--set", "dlglc.augment_probability=0.5"], "frames that are kept cannot be augmented"),
    ],
)
def test_mistakes(root, words, message):
    done = run(root, *words, "--stage", "3", "--stop-stage", "3", "--exp", "exp/nothing", check=False)
    assert done.returncode == 1
    assert re.search(message, done.stderr), done.stderr
    assert not (root / "exp/nothing").exists()


def test_a_file_that_is_no_encoder_stops_stage_3(root):
    words = ["--from", "README.md", "--stage", "3", "--stop-stage", "3", "--exp", "exp/nothing"]
    done = run(root, *words, check=False)
    assert done.returncode == 1
    assert "README.md: not a model file of this recipe, or damaged" in done.stderr
    assert not (root / "exp/nothing").exists()
