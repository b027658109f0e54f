"""Stage I from a data directory to model.pt (steps/train_dino.py)."""

from pathlib import Path

from ..data.crops import ViewSpecs
from ..settings.schema import AugmentSettings, DinoSettings, FbankSettings
from ..training import pretraining
from ..training.options import TrainingOptions
from .task import Dino


def pretrain(
    settings: DinoSettings,
    fbank_settings: FbankSettings,
    augment: AugmentSettings,
    data_dir: Path,
    initial_model: Path | None,
    options: TrainingOptions,
) -> None:
    """Pretrain an encoder with DINO and write model.pt, the teacher's encoder.

    Args:
        settings: of conf/dino.yaml.
        fbank_settings: of conf/fbank.yaml.
        augment: of conf/augment.yaml.
        data_dir: training data directory.
        initial_model: model.pt whose encoder the training starts from; None = random weights.
        options: where and how the training runs.
    """
    used = settings.model_dump(exclude={"stage1", "contrastive"})
    views = crop_views(settings)
    pretraining.pretrain(Dino, settings, used, views, fbank_settings, augment, data_dir, initial_model, options)


def crop_views(settings: DinoSettings) -> ViewSpecs:
    """The long view, and the short view if there are short crops."""
    short = [(settings.short_crops, settings.short_seconds)] if settings.short_crops else []
    return [(settings.long_crops, settings.long_seconds), *short]
