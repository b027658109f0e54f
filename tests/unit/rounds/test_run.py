"""A round from pseudo labels to model.pt: what it starts from, and what decides its crops."""

import json
import math

import numpy as np
import pytest
import torch

from dlglc.data.arks import write_embeddings
from dlglc.data.columns import Column
from dlglc.data.tables import read_table, write_table
from dlglc.encoders import build_encoder
from dlglc.encoders.models import load_model, save_model
from dlglc.errors import RecipeError
from dlglc.extraction import Hidden, extract_embeddings
from dlglc.files import load_tensors, save_tensors
from dlglc.rounds.run import RoundFiles, initial_weights, train_round
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, DinoSettings, DlglcSettings, FbankSettings
from dlglc.training.options import TrainingOptions

pytestmark = pytest.mark.slow

ENCODER = ["encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=8"]
ROUND = ["epochs=2", "batch_size=12", "crop_seconds=0.3", "gate.from_epoch=2", "correction.from_epoch=2"]


def settings(*words):
    plain = ["optimiser.warmup_epochs=0", "margin_warmup_epochs=0", "gate.min_kept=0"]
    return load_settings(DlglcSettings, None, [*ROUND, *plain, *words])


@pytest.fixture
def start(tiny, tmp_path):
    """start("name", "key=value", …) → a round from a random encoder and labels by pitch."""
    utts = list(read_table(tiny / "train/wav.scp"))
    write_table(tmp_path / "utt2cluster", {utt: utt[1] for utt in utts})
    encoder = load_settings(DinoSettings, None, ENCODER).encoder
    torch.manual_seed(0)
    state = build_encoder(encoder, 80).state_dict()
    save_model(tmp_path / "model.pt", encoder, load_settings(FbankSettings), state, "wav")
    scp = write_embeddings(tmp_path, utts, np.random.default_rng(0).normal(size=(24, 8)))

    def run(name, *words, number=1, embeddings=scp, hidden=None):
        options = TrainingOptions(tmp_path / name, tiny / "noise", None, seed=1, device="cpu", max_hours=math.inf,
                                  overwrite=False, command="steps/train_dlglc.py")  # fmt: skip
        augment = load_settings(AugmentSettings)
        files = RoundFiles(tiny / "train", tmp_path / "utt2cluster", tmp_path / "model.pt", embeddings, hidden)
        train_round(settings(*words), augment, files, number, options)
        return load_model(tmp_path / name / "model.pt")

    return run


def weights(model):
    return torch.cat([value.flatten().float() for value in model.encoder.state_dict().values()])


def test_a_round_leaves_a_model_and_its_decisions(start, tmp_path):
    model = start("round1")
    assert model.input == "wav"
    assert not torch.allclose(weights(model), weights(load_model(tmp_path / "model.pt")))
    assert sorted(path.name for path in (tmp_path / "round1/gate").iterdir()) == ["epoch01.npz", "epoch02.npz"]
    with np.load(tmp_path / "round1/gate/epoch01.npz") as record:
        assert record["decision"].tolist() == [1] * 24
        assert record["target"].tolist() == [k // 6 for k in range(24)]


def test_a_round_may_be_corrected_by_predictions_of_whole_utterances(start, tmp_path):
    labels = np.arange(24) // 6
    labels[::3] = (labels[::3] + 1) % 4  # a third of the labels is wrong
    utts = read_table(tmp_path / "utt2cluster")
    write_table(tmp_path / "utt2cluster", dict(zip(utts, labels)))
    words = ("epochs=3", "correction.mode=utterance", "correction.ramp_epochs=0", "gate.mode=fixed")
    start("round1", *words, "gate.fixed_thresholds=[1.0e-6]", "correction.random_share=0.99", "correction.from_epoch=3")
    with np.load(tmp_path / "round1/gate/epoch03.npz") as record:
        decision, target = record["decision"], record["target"]
    assert 2 in decision
    assert (target[decision == 1] == labels[decision == 1]).all()
    assert (target[decision == 2] != labels[decision == 2]).all()


def test_each_round_draws_other_crops_and_repeats(start):
    one, again, second = (weights(start(name, number=n)) for name, n in (("a", 1), ("b", 1), ("c", 2)))
    assert torch.equal(one, again)
    assert not torch.equal(one, second)


def test_augment_probability_replaces_that_of_augment(start):
    clean, noisy = (weights(start(str(p), f"augment_probability={p}")) for p in (0.0, 1.0))
    assert not torch.equal(clean, noisy)


def test_class_weights_from_centroids_need_embeddings(tmp_path):
    ids, labels = Column.from_strings(["a", "b", "c"]), np.array([0, 1, 1])
    scp = write_embeddings(tmp_path, list(ids), np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]))
    assert initial_weights(settings("classifier=random"), scp, ids, labels, 2) is None
    found = initial_weights(settings("classifier=centroids"), scp, ids, labels, 2)
    np.testing.assert_allclose(found, [[1, 0], [0, 1]])
    with pytest.raises(RecipeError, match="classifier: centroids needs --embeddings"):
        initial_weights(settings("classifier=centroids"), None, ids, labels, 2)


def cached(*words):
    return ["adapt.cache=true", "adapt.trained_parts=2", "augment_probability=0", "adapt.frozen_norms=true", *words]


def test_a_round_on_kept_frames_trains_the_last_parts_only(start, tiny, tmp_path):
    start("start", "epochs=2", "optimiser.lr=1e-9", "optimiser.final_lr=1e-9")  # writes model.pt
    extract_embeddings(tmp_path / "model.pt", tiny / "train", tmp_path / "kept", 5000, "cpu", Hidden(2, None))
    before = load_model(tmp_path / "model.pt").encoder
    after = start("cached", *cached(), hidden=tmp_path / "kept").encoder
    for number, (old, new) in enumerate(zip(before.parts(), after.parts())):
        same = all(
            torch.equal(value, new_module.state_dict()[name])
            for module, new_module in zip(old.modules, new.modules)
            for name, value in module.state_dict().items()
        )
        assert same == (number < 3)


def test_kept_frames_of_another_encoder_are_refused(start, tiny, tmp_path):
    start("start")
    extract_embeddings(tmp_path / "model.pt", tiny / "train", tmp_path / "kept", 5000, "cpu", Hidden(2, None))
    contents = load_tensors(tmp_path / "model.pt")
    contents["state"]["layers.0.weight"] = torch.randn_like(contents["state"]["layers.0.weight"])
    save_tensors(contents, tmp_path / "model.pt")
    with pytest.raises(RecipeError, match=r"hidden\.scp: the frames of .* are not those of this encoder"):
        start("cached", *cached(), hidden=tmp_path / "kept")
    with pytest.raises(RecipeError, match="needs --hidden"):
        start("cached", *cached())


def test_held_out_clusters_are_not_trained_on_and_choose_the_epoch(start, tmp_path):
    words = ["adapt.held_out=0.5", "gate.mode=none", "correction.mode=none"]
    model = start("held", *words)
    lines = [json.loads(line) for line in (tmp_path / "held/metrics.jsonl").read_text().splitlines()]
    assert all(0 <= line["held_out_eer"] <= 100 for line in lines)
    with np.load(tmp_path / "held/gate/epoch01.npz") as record:
        rows, target = record["rows"], record["target"]
    assert len(rows) == 12
    assert target.tolist() == [row // 6 for row in rows]  # the numbers of the clusters, not of the classes
    assert model.encoder.embedding_dim == 8


def test_a_training_that_harms_leaves_the_start(start, tmp_path):
    words = ["gate.mode=none", "correction.mode=none", "optimiser.scale_batch=0"]
    start("good", *words, "epochs=6", "optimiser.name=adamw", "optimiser.lr=3e-3", "classifier=random")
    (tmp_path / "good/model.pt").replace(tmp_path / "model.pt")
    before = load_model(tmp_path / "model.pt").encoder.state_dict()
    harm = ["adapt.held_out=0.5", "adapt.patience=2", "epochs=4", "optimiser.lr=0.3"]
    after = start("harm", *words, *harm).encoder.state_dict()
    lines = [json.loads(line) for line in (tmp_path / "harm/metrics.jsonl").read_text().splitlines()]
    assert [line["held_out_eer"] > line["held_out_start"] for line in lines] == [True, True]  # of four epochs
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    signs = load_tensors(tmp_path / "harm/checkpoint.pt")["task"]["adaptation"]["signs"]
    assert signs == [lines[0]["held_out_start"], *(line["held_out_eer"] for line in lines)]
