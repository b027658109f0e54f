"""Stage I from a data directory to model.pt (steps/train_dino.py)."""

from pathlib import Path

from ..data.crops import ViewSpecs, open_crops
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
    fbank = Fbank(fbank_settings)
    augmenter = open_augmenter(augment, options, fbank.sample_rate)
    crops = open_crops(settings.input, data_dir, fbank, augmenter, crop_views(settings), options.seed)
    used = settings.model_dump(exclude={"stage1", "contrastive"})
    record = {"dino": used, "fbank": fbank_settings, "augment": augment, "seed": options.seed}
    inputs = input_files(data_dir, settings.input, options, initial_model)
    stamp = Stamp(options.out_dir / "stamp.json", record, inputs, [options.out_dir / "model.pt"])

    def save(name: str, state: State) -> None:
        path = options.out_dir / name
        path.parent.mkdir(exist_ok=True)
        save_model(path, settings.encoder, fbank_settings, state, settings.input)

    def make_task(processes: Processes) -> Dino:
        encoder = build_encoder(settings.encoder, fbank.num_mel_bins)
        if initial_model:
            warm_start(encoder, initial_model, settings.encoder, fbank_settings)
        views = Views(fbank.to(processes.device), augmenter if settings.input == "wav" else None)
        return Dino(settings, encoder, views, processes, save)

    train(options, settings, stamp, options.seed, crops, make_task, save)


def crop_views(settings: DinoSettings) -> ViewSpecs:
    """The long view, and the short view if there are short crops."""
    short = [(settings.short_crops, settings.short_seconds)] if settings.short_crops else []
    return [(settings.long_crops, settings.long_seconds), *short]
