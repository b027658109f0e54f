"""Contrastive stage I from data to model.pt: it learns, starts from a model, ignores DINO's own keys."""

import json
import math

import pytest
import torch

from dlglc.contrastive.run import pretrain_by_contrast, with_own_epochs
from dlglc.encoders.models import load_model
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, DinoSettings, FbankSettings
from dlglc.training.options import TrainingOptions

pytestmark = pytest.mark.slow

SMALL = [
    *("stage1=contrastive", "contrastive.epochs=2", "contrastive.batch_size=12", "contrastive.seconds=0.4"),
    *("encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=8", "optimiser.warmup_epochs=0"),
    *("optimiser.name=adamw", "optimiser.lr=0.003", "optimiser.scale_batch=0", "average_epochs=10"),
]


@pytest.fixture
def run(tiny, tmp_path):
    """run("name", "key=value", …) → the model of a short training."""

    def start(name, *words, model=None):
        options = TrainingOptions(tmp_path / name, tiny / "noise", tiny / "rirs", seed=1, device="cpu",
                                  max_hours=math.inf, overwrite=False, command="train_contrastive.py")  # fmt: skip
        settings = load_settings(DinoSettings, None, [*SMALL, *words])
        augment, fbank = load_settings(AugmentSettings), load_settings(FbankSettings)
        pretrain_by_contrast(settings, fbank, augment, tiny / "train", model, options)
        return load_model(tmp_path / name / "model.pt")

    return start


def weights(model):
    return torch.cat([value.flatten().float() for value in model.encoder.state_dict().values()])


def test_a_training_learns_to_find_the_other_crop(run, tmp_path):
    run("c", "contrastive.epochs=12", "keep_every=6")
    lines = [json.loads(line) for line in (tmp_path / "c/metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 12
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert lines[-1]["positive"] > lines[-1]["negative"]
    assert sorted(path.name for path in (tmp_path / "c/epochs").iterdir()) == ["06.pt", "12.pt"]


def test_it_starts_from_another_model_of_the_same_encoder(run, tmp_path):
    run("first")
    path = tmp_path / "first/model.pt"
    again = run("again", "optimiser.lr=1e-9", "optimiser.final_lr=0", model=path)
    torch.testing.assert_close(
        dict(again.encoder.named_parameters()), dict(load_model(path).encoder.named_parameters()), rtol=0, atol=1e-6
    )
    with pytest.raises(RecipeError, match=r"first/model\.pt: .*encoder.* has channels 2, here 4"):
        run("wider", "encoder.channels=4", model=path)


def test_a_finished_training_does_not_depend_on_the_keys_of_dino_alone(run, tmp_path):
    first = run("c")
    again = run("c", "head.outputs=99", "teacher_momentum=0.5", "contrastive.epochs=2")
    assert torch.equal(weights(first), weights(again))
    with pytest.raises(RecipeError, match=r"dino\.contrastive\.epochs: 2, now 3"):
        run("c", "contrastive.epochs=3")


def test_epochs_and_batch_are_those_of_the_section():
    settings = load_settings(DinoSettings, None, ["contrastive.epochs=4", "contrastive.batch_size=20"])
    own = with_own_epochs(settings)
    assert (own.epochs, own.batch_size, own.average_epochs) == (4, 20, 4)
    assert own.encoder == settings.encoder
