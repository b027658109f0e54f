"""Contrastive stage I from a data directory to model.pt (steps/train_contrastive.py)."""

from pathlib import Path

from ..settings.schema import AugmentSettings, DinoSettings, FbankSettings
from ..training.options import TrainingOptions
from ..training.pretraining import pretrain
from .task import Contrastive

SHARED = {"input", "encoder", "accumulate", "average_epochs", "clip_grad", "optimiser", "precision", "contrastive"}


def pretrain_by_contrast(
    settings: DinoSettings,
    fbank_settings: FbankSettings,
    augment: AugmentSettings,
    data_dir: Path,
    initial_model: Path | None,
    options: TrainingOptions,
) -> None:
    """Train an encoder by contrast and write model.pt.

    Args:
        settings: of conf/dino.yaml. Its keys for DINO alone (head, temperatures, …) have no effect here.
        fbank_settings: of conf/fbank.yaml.
        augment: of conf/augment.yaml.
        data_dir: training data directory.
        initial_model: model.pt whose encoder the training starts from; None = random weights.
        options: where and how the training runs.
    """
    used = settings.model_dump(include=SHARED)
    views = [(2, settings.contrastive.seconds)]
    settings = with_own_epochs(settings)
    pretrain(Contrastive, settings, used, views, fbank_settings, augment, data_dir, initial_model, options)


def with_own_epochs(settings: DinoSettings) -> DinoSettings:
    """The settings as the training loop needs them: epochs and batch size are those of the section `contrastive`."""
    own = settings.contrastive
    average = min(settings.average_epochs, own.epochs)
    return settings.model_copy(update={"epochs": own.epochs, "batch_size": own.batch_size, "average_epochs": average})
