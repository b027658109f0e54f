"""What both forms of stage I share: the record of their model."""

import math

import pytest

from dlglc.contrastive.run import pretrain_by_contrast
from dlglc.dino.run import pretrain
from dlglc.errors import RecipeError
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings, DinoSettings, FbankSettings
from dlglc.training.options import TrainingOptions

SMALL = [
    *("epochs=1", "batch_size=12", "long_seconds=0.4", "short_seconds=0.2", "freeze_last_epochs=0", "on_collapse=warn"),
    *("contrastive.epochs=1", "contrastive.batch_size=12", "contrastive.seconds=0.4", "average_epochs=1"),
    *("encoder.name=resnet34", "encoder.channels=2", "encoder.embedding_dim=8", "optimiser.warmup_epochs=0"),
    *("head.hidden=16", "head.bottleneck=8", "head.outputs=32"),
]


@pytest.mark.parametrize("start", [pretrain, pretrain_by_contrast])
def test_a_model_that_is_not_what_was_written_is_not_reused(tiny, tmp_path, start):
    options = TrainingOptions(
        tmp_path, None, None, seed=1, device="cpu", max_hours=math.inf, overwrite=False, command=""
    )

    def run():
        settings = load_settings(DinoSettings, None, SMALL)
        start(settings, load_settings(FbankSettings), load_settings(AugmentSettings), tiny / "train", None, options)

    run()
    model = tmp_path / "model.pt"
    content = model.read_bytes()
    run()
    assert model.read_bytes() == content
    model.write_bytes(content[:-9])
    with pytest.raises(RecipeError, match=r"model\.pt has \d+ bytes, \d+ were written"):
        run()
