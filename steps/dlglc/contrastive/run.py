"""Contrastive stage I from a data directory to model.pt (steps/train_contrastive.py)."""

from pathlib import Path

from ..data.crops import open_crops
from ..data.fbank import Fbank
from ..data.views import Views
from ..encoders import build_encoder
from ..encoders.models import save_model, warm_start
from ..provenance import Stamp
from ..settings.schema import AugmentSettings, DinoSettings, FbankSettings
from ..training.distributed import Processes
from ..training.options import TrainingOptions
from ..training.run import input_files, open_augmenter, train
from ..training.task import State
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
    fbank = Fbank(fbank_settings)
    augmenter = open_augmenter(augment, options, fbank.sample_rate)
    crops = open_crops(settings.input, data_dir, fbank, augmenter, [(2, settings.contrastive.seconds)], options.seed)
    used = settings.model_dump(include=SHARED)
    record = {"dino": used, "fbank": fbank_settings, "augment": augment, "seed": options.seed}
    inputs = input_files(data_dir, settings.input, options, initial_model)
    stamp = Stamp(options.out_dir / "stamp.json", record, inputs)
    settings = with_own_epochs(settings)

    def save(name: str, state: State) -> None:
        path = options.out_dir / name
        path.parent.mkdir(exist_ok=True)
        save_model(path, settings.encoder, fbank_settings, state, settings.input)

    def make_task(processes: Processes) -> Contrastive:
        encoder = build_encoder(settings.encoder, fbank.num_mel_bins)
        if initial_model:
            warm_start(encoder, initial_model, settings.encoder, fbank_settings)
        views = Views(fbank.to(processes.device), augmenter if settings.input == "wav" else None)
        return Contrastive(settings, encoder.train(), views, processes, save)

    train(options, settings, stamp, options.seed, crops, make_task, save)


def with_own_epochs(settings: DinoSettings) -> DinoSettings:
    """The settings as the training loop needs them: epochs and batch size are those of the section `contrastive`."""
    own = settings.contrastive
    average = min(settings.average_epochs, own.epochs)
    return settings.model_copy(update={"epochs": own.epochs, "batch_size": own.batch_size, "average_epochs": average})
