"""Where an experiment stands: done, running, stopped, waiting, or stale because something before it changed."""

import os
import time

import pytest

from dlglc.provenance import Stamp
from dlglc.reports.staleness import reasons
from dlglc.reports.status import RECENT, changed_settings, last_line, status

SETTINGS = {
    "dino": {"epochs": 3, "head": {"outputs": 8}},
    "fbank": {"num_mel_bins": 80},
    "backend": {"top_n": 300, "whiten": 0.0},
}


@pytest.fixture(autouse=True)
def fresh():
    """What was found of a file is kept while a status is made, not from one to the next."""
    reasons.cache_clear()


@pytest.fixture
def world(tmp_path):
    """An experiment after stage 4: data, features, an untrained encoder, DINO with embeddings and clusters."""
    data, exp = tmp_path / "data", tmp_path / "exp"
    write(data / "train/wav.scp", "a x.wav\n")
    write(data / "train/utt2spk", "a a\n")
    write(data / "train/feats.scp", "a x.ark:2\n")
    for name in ("packed.json", "feats.json"):
        Stamp(data / "train" / name, {}, [data / "train/wav.scp"]).write()
    for system, epochs in (("untrained", 0), ("dino", 3)):
        settings = {**SETTINGS, "dino": {**SETTINGS["dino"], "epochs": epochs}, "seed": 0}
        folder = exp / system
        write(folder / "model.pt", system)
        Stamp(folder / "stamp.json", settings, [data / "train/wav.scp"]).write()
        write(folder / "train/embedding.scp", "a e.ark:2\n")
        inputs = [folder / "model.pt", data / "train/wav.scp"]
        Stamp(folder / "train/embedding.json", {}, inputs).write()
        write(folder / "clusters/utt2cluster", "a 0\n")
        Stamp(folder / "clusters/stamp.json", {}, [folder / "train/embedding.scp"]).write()
    return exp, data


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def states(world, settings=SETTINGS, systems=("untrained", "dino", "round1")):
    exp, data = world
    return {line.what: (line.stage, line.state) for line in status(exp, data, settings, list(systems))}


def test_what_is_done_and_what_waits(world):
    assert states(world) == {
        **{"train": (1, "done"), "features of train": (2, "done"), "untrained": (3, "done"), "dino": (3, "done")},
        **{"clusters of untrained": (4, "done"), "clusters of dino": (4, "done")},
        **{"round1": (5, "waiting"), "clusters of round1": (5, "waiting")},
        **{"RESULTS.md": (7, "waiting"), "report.html": (7, "waiting"), "bundle of round1": (7, "waiting")},
    }


def test_evaluation_data_has_scores(world):
    write(world[1] / "eval/trials", "a a target\n")
    found = states(world)
    assert found["eval"] == (1, "waiting")
    assert found["scores of dino"] == (6, "waiting")


def test_a_change_of_settings_makes_what_they_decide_stale(world):
    changed = {**SETTINGS, "dino": {"epochs": 5, "head": {"outputs": 8}}}
    found = states(world, changed)
    assert found["dino"] == (3, "stale")
    assert found["untrained"] == (3, "done")  # its script sets epochs itself


def test_a_change_of_data_makes_all_that_follows_stale(world):
    exp, data = world
    write(data / "train/wav.scp", "a y.wav\n")
    found = states(world)
    for what in ("train", "features of train", "untrained", "dino", "clusters of dino"):
        assert found[what][1] == "stale"
    (line,) = (line for line in status(exp, data, SETTINGS, ["dino"]) if line.what == "clusters of dino")
    assert "wav.scp has changed" in line.why


def test_another_model_makes_its_clusters_stale(world):
    write(world[0] / "dino/model.pt", "another")
    found = states(world)
    assert found["clusters of dino"] == (4, "stale")
    assert found["clusters of untrained"] == (4, "done")


def test_a_training_under_way_is_running_until_its_log_stands_still(world):
    exp, _ = world
    (exp / "dino/model.pt").unlink()
    assert states(world)["dino"] == (3, "waiting")
    write(exp / "dino/checkpoint.pt", "half")
    log = exp / "dino/log/train.log"
    write(log, "epoch 1 of 3: loss 2, 90 s left\n")
    assert states(world)["dino"] == (3, "running")
    os.utime(log, (time.time() - RECENT - 60,) * 2)
    assert states(world)["dino"] == (3, "stopped")


def test_a_model_that_was_put_there_is_done(tmp_path):
    write(tmp_path / "exp/dino/model.pt", "put there")
    assert states((tmp_path / "exp", tmp_path / "data"), systems=["dino"])["dino"] == (3, "done")


@pytest.mark.parametrize("name", ["model.pt", "model.onnx"])
def test_an_imported_encoder_is_of_stage_3(tmp_path, name):
    write(tmp_path / "exp/start" / name, "weights")
    found = states((tmp_path / "exp", tmp_path / "data"), systems=("start", "round1"))
    assert (found["start"], found["clusters of start"]) == ((3, "done"), (4, "waiting"))


@pytest.mark.parametrize("name", ["RESULTS.md", "report.html"])
def test_a_report_is_stale_when_something_is_newer(world, name):
    exp, _ = world
    write(exp / name, "# Results")
    later = time.time() + 10
    os.utime(exp / name, (later, later))
    assert states(world)[name] == (7, "done")
    os.utime(exp / "dino/clusters/utt2cluster", (later + 10, later + 10))
    assert states(world)[name] == (7, "stale")


def make_bundle(system):
    """A bundle's file and record. Its contents do not matter here."""
    write(system / "bundle.dlglc", "weights")
    inputs = [system / "model.pt", system / "clusters/utt2cluster"]
    settings = {"backend": SETTINGS["backend"], "made": {"version": "0"}}
    Stamp(system / "bundle.json", settings, inputs, [system / "bundle.dlglc"]).write()


def test_a_bundle_is_stale_with_what_it_was_made_from(world):
    exp, _ = world
    make_bundle(exp / "dino")
    found = states(world)
    assert found["bundle of dino"] == (7, "done")
    assert found["bundle of round1"] == (7, "waiting")
    assert "bundle of untrained" not in found
    other = {**SETTINGS, "backend": {"top_n": 20, "whiten": 0.0}}
    assert states(world, other)["bundle of dino"] == (7, "stale")
    write(exp / "dino/bundle.dlglc", "damaged")
    reasons.cache_clear()
    assert states(world)["bundle of dino"] == (7, "stale")
    make_bundle(exp / "dino")
    write(exp / "dino/train/embedding.scp", "another")  # the clusters are of other embeddings, and so is the bundle
    reasons.cache_clear()
    assert states(world)["bundle of dino"] == (7, "stale")


def test_a_bundle_without_a_record_is_done(world):
    write(world[0] / "dino/bundle.dlglc", "put there")
    assert states(world)["bundle of dino"] == (7, "done")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("loading\nepoch 3 of 8, step 4 of 9: loss 2, 70 s left\nmore\n", "epoch 3 of 8, step 4 of 9, 70 s left"),
        ("epoch 1 of 3: loss 2.5, 90 s left\n", "epoch 1 of 3, 90 s left"),
        ("resuming at epoch 2, step 1 of 9\n", "beginning"),
        ("", "beginning"),
    ],
)
def test_how_far_a_log_says_a_training_is(tmp_path, text, words):
    (tmp_path / "log").write_text(text)
    assert last_line(tmp_path / "log") == (True, words)
    assert last_line(tmp_path / "gone") == (False, "")


def test_keys_that_a_script_sets_itself_are_left_out():
    record = {"settings": {"dlglc": {"epochs": 3}, "augment": {"probability": 0.6, "reverb_share": 0.5}, "seed": 1}}
    now = {"dlglc": {"epochs": 3}, "augment": {"probability": 1.0, "reverb_share": 0.5}}
    assert changed_settings(record, now, "round1") == []
    now["augment"]["reverb_share"] = 0.7
    assert changed_settings(record, now, "round1") == ["augment.reverb_share: 0.5, now 0.7"]
