"""Stage I from data to model.pt: an untrained encoder, a trained one, teachers that are kept, a warm start."""

import math

import pytest
import torch

from dlglc.dino.run import crop_views, pretrain
from dlglc.encoders.models import load_model
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, DinoSettings, FbankSettings
from dlglc.training.options import TrainingOptions

pytestmark = pytest.mark.slow

SMALL = [
    *("batch_size=12", "long_seconds=0.4", "short_seconds=0.2", "freeze_last_epochs=0", "on_collapse=warn"),
    *("encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=8", "optimiser.warmup_epochs=0"),
    *("head.hidden=16", "head.bottleneck=8", "head.outputs=32", "average_epochs=1"),
]


@pytest.fixture
def run(tiny, tmp_path):
    """run("name", "key=value", …) → the model of a short training."""

    def start(name, *words, model=None, noise=False):
        sources = {"noise": tiny / "noise", "rirs": tiny / "rirs"} if noise else {"noise": None, "rirs": None}
        options = TrainingOptions(tmp_path / name, **sources, seed=1, device="cpu", max_hours=math.inf,
                                  overwrite=False, command="steps/train_dino.py")  # fmt: skip
        settings = load_settings(DinoSettings, None, [*SMALL, *words])
        pretrain(settings, load_settings(FbankSettings), load_settings(AugmentSettings), tiny / "train", model, options)
        return load_model(tmp_path / name / "model.pt")

    return start


def weights(model):
    return torch.cat([value.flatten().float() for value in model.encoder.state_dict().values()])


def test_no_epoch_is_an_untrained_encoder_and_training_moves_it(run, tmp_path):
    untrained = run("untrained", "epochs=0")
    assert (untrained.input, untrained.encoder_settings.embedding_dim) == ("wav", 8)
    assert not (tmp_path / "untrained/metrics.jsonl").exists()
    trained = run("dino", "epochs=1", "keep_every=1", noise=True)
    assert len((tmp_path / "dino/metrics.jsonl").read_text().splitlines()) == 1
    assert not torch.allclose(weights(trained), weights(untrained))
    kept = load_model(tmp_path / "dino/epochs/01.pt")
    torch.testing.assert_close(weights(kept), weights(trained))


def test_a_training_starts_from_another_model(run, tmp_path):
    first = run("first", "epochs=0")
    path = tmp_path / "first/model.pt"
    again = run("again", "epochs=0", model=path)
    assert torch.equal(weights(first), weights(again))
    with pytest.raises(RecipeError, match=r"first/model\.pt: .*encoder.* has channels 2, here 4"):
        run("wider", "epochs=0", "encoder.channels=4", model=path)


def test_views_of_the_settings():
    settings = load_settings(DinoSettings, None, ["long_crops=2", "long_seconds=3", "short_crops=4", "short_seconds=2"])
    assert crop_views(settings) == [(2, 3.0), (4, 2.0)]
    assert crop_views(load_settings(DinoSettings, None, ["short_crops=0"])) == [(2, 3.0)]
