"""A training around its loop: what decides it, when it is reused, refused or made anew, and what it leaves."""

import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from dlglc.data.crops import FeatureCrops
from dlglc.errors import RecipeError
from dlglc.files import save_tensors
from dlglc.provenance import Stamp, read_record
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, DlglcSettings
from dlglc.training.options import TrainingOptions
from dlglc.training.run import input_files, open_augmenter, prepare_run, set_seed, train
from dlglc.training.task import Task


def options(out_dir, **changes):
    values = {"noise": None, "rirs": None, "seed": 0, "device": "cpu", "max_hours": math.inf, "overwrite": False}
    return TrainingOptions(out_dir=out_dir, **{**values, "command": "steps/train_x.py DATA", **changes})


def settings(*words):
    plain = ["epochs=2", "batch_size=4", "optimiser.warmup_epochs=0", "margin_warmup_epochs=0"]
    return load_settings(DlglcSettings, None, [*plain, "gate.mode=none", "correction.mode=none", *words])


@pytest.fixture
def prepare(processes, tmp_path):
    """prepare(scale, …) → prepare_run of an experiment with that setting."""

    def run(scale, **changes):
        chosen = settings(f"scale={scale}")
        stamp = Stamp(tmp_path / "out/stamp.json", {"dlglc": chosen}, [], [tmp_path / "out/model.pt"])
        return prepare_run(options(tmp_path / "out", **changes), chosen, stamp, processes)

    return run


def test_a_run_explains_itself(prepare, tmp_path):
    assert prepare(30.0)
    out = tmp_path / "out"
    assert yaml.safe_load((out / "config.yaml").read_text())["scale"] == 30.0
    command, made = (out / "command").read_text().splitlines()
    assert command == "steps/train_x.py DATA"
    assert made.startswith("# ") and " cores, " in made


def test_a_finished_run_of_the_same_settings_is_reused(prepare, tmp_path, caplog):
    prepare(30.0)
    assert prepare(30.0)  # not finished yet: it goes on
    (tmp_path / "out/model.pt").write_bytes(b"model")
    with caplog.at_level("INFO"):
        assert not prepare(30.0)
    assert "reused" in caplog.text


def test_a_model_that_was_put_there_is_kept(prepare, tmp_path, caplog):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/model.pt").write_bytes(b"model")
    with caplog.at_level("INFO"):
        assert not prepare(30.0)
    assert "put there: kept" in caplog.text
    assert not (tmp_path / "out/stamp.json").exists()


def test_a_run_that_ended_before_anything_was_trained_holds_nobody_up(prepare, tmp_path):
    prepare(30.0)
    assert prepare(31.0)
    assert yaml.safe_load((tmp_path / "out/config.yaml").read_text())["scale"] == 31.0


def test_a_run_of_other_settings_is_refused_or_discarded(prepare, tmp_path):
    prepare(30.0)
    names = ("model.pt", "checkpoint.pt", "metrics.jsonl")
    for name in names:
        (tmp_path / "out" / name).write_text("of the other run")
    names = (*names, "gate", "tensorboard")
    for folder in names[-2:]:
        (tmp_path / "out" / folder).mkdir()
        (tmp_path / "out" / folder / "epoch09").write_text("of the other run")
    with pytest.raises(RecipeError, match=r"scale: 30\.0, now 31\.0.*--overwrite"):
        prepare(31.0)
    assert all((tmp_path / "out" / name).exists() for name in names)
    assert prepare(31.0, overwrite=True)
    assert not any((tmp_path / "out" / name).exists() for name in names)
    assert prepare(31.0)


def test_the_files_that_determine_a_training():
    with_noise = options(Path("out"), noise=Path("noise"), rirs=Path("rirs"))
    found = input_files(Path("data"), "wav", with_noise, Path("utt2cluster"), None)
    assert found == [Path("data/wav.scp"), Path("utt2cluster"), None, Path("noise/wav.scp"), Path("rirs/wav.scp")]
    assert input_files(Path("data"), "feats", options(Path("out"))) == [Path("data/feats.scp"), None, None]


def test_augmentation_needs_noise_or_rooms(tiny):
    augment = load_settings(AugmentSettings)
    assert open_augmenter(augment, options(Path("out")), 16000) is None
    for source in ("noise", "rirs"):
        assert open_augmenter(augment, options(Path("out"), **{source: tiny / source}), 16000).probability == 1.0


def test_seeds_of_all_generators_of_weights():
    drawn = []
    for seed in (3, 3, 4):
        set_seed(seed)
        drawn.append((random.random(), torch.rand(1).item()))
    assert drawn[0] == drawn[1] != drawn[2]


class Least(Task):
    def __init__(self):
        self.module = nn.Linear(80, 1)

    def step(self, batch, epoch, progress):
        return self.module(batch["feats0"]).square().mean(), {}

    def final_state(self):
        return self.module.state_dict()


def test_a_training_from_beginning_to_end(fbank, tmp_path, write_ark):
    write_ark(tmp_path, {f"u{i}": np.full((20, 80), i, "f4") for i in range(4)})
    crops = FeatureCrops(tmp_path, fbank, [(1, 0.1)], 0)
    chosen, saved, made = settings(), [], []

    def make_task(processes):
        made.append(torch.rand(1).item())
        return Least()

    def save(name, state):
        saved.append((name, state))
        torch.save(state, tmp_path / "out" / name)

    def run(seed):
        stamp = Stamp(tmp_path / "out/stamp.json", {"seed": seed}, [])
        train(options(tmp_path / "out", overwrite=True), chosen, stamp, seed, crops, make_task, save)

    for seed in (0, 0, 1, 0):
        run(seed)
    assert [name for name, _ in saved] == ["model.pt"] * 3  # the second call found the model of the first
    assert made[0] == made[2] != made[1]  # the generators are seeded before the task is made
    first, other, again = (state["weight"] for _, state in saved)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_model_that_is_not_the_one_that_was_written_is_refused(prepare, tmp_path):
    prepare(30.0)
    model = tmp_path / "out/model.pt"
    model.write_bytes(b"model")
    assert not prepare(30.0)  # the record is completed
    model.write_bytes(b"other")
    with pytest.raises(RecipeError, match=r"model\.pt is not what was written.*Remove it, and the same command"):
        prepare(30.0)
    model.unlink()
    assert prepare(30.0)


@pytest.mark.parametrize("content", [None, "", "[]"])
def test_a_run_whose_record_is_lost_is_refused_unless_its_checkpoint_says_the_settings(prepare, tmp_path, content):
    prepare(30.0)
    record = tmp_path / "out/stamp.json"
    identity = Stamp(record, {"dlglc": settings("scale=30.0")}, []).identity
    for known in ({"identity": identity}, {}):
        save_tensors(known, tmp_path / "out/checkpoint.pt")
        record.unlink()
        if content is not None:
            record.write_text(content)
        if known:
            assert prepare(30.0)
            assert read_record(record) is not None
        else:
            with pytest.raises(
                RecipeError, match=r"stamp\.json is (missing|damaged), so the settings of the run there"
            ):
                prepare(30.0)
    assert prepare(31.0, overwrite=True)
    assert not (tmp_path / "out/checkpoint.pt").exists()
