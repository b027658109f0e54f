"""What both forms of stage I, DINO and contrast, share: from a data directory to model.pt, and the kept encoders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import console
from ..data.crops import ViewSpecs, open_crops
from ..data.fbank import Fbank
from ..data.views import Views
from ..encoders import build_encoder
from ..encoders.base import Encoder
from ..encoders.models import save_model, warm_start
from ..provenance import Stamp
from ..settings import add_settings_options, settings_of
from ..settings.schema import AugmentSettings, DinoSettings, FbankSettings
from .distributed import Processes
from .optimiser import EpochMean
from .options import TrainingOptions, add_training_options, training_options
from .run import input_files, open_augmenter, train
from .task import Figures, State, Task

Save = Callable[[str, State], None]


class Pretraining(Task):
    """A task of stage I: it keeps the encoders of some epochs, and ends with the mean of those of the last ones.

    Args:
        settings: of conf/dino.yaml.
        views: turns batches into features.
        processes: the processes of the training.
        save: called as save(file name, state of the encoder) for the encoders that keep_every asks for.
    """

    def __init__(self, settings: DinoSettings, views: Views, processes: Processes, save: Save):
        self.settings, self.processes, self.views, self.save = settings, processes, views, save
        self.mean = EpochMean(settings.average_epochs, settings.epochs)

    def encoder_state(self) -> State:
        """The state dict of the encoder that is kept."""
        raise NotImplementedError

    def end_epoch(self, epoch: int) -> Figures:
        every = self.settings.keep_every
        if every and (epoch + 1) % every == 0 and self.processes.first:
            self.save(f"epochs/{epoch + 1:02d}.pt", self.encoder_state())
        self.mean.add(epoch, self.encoder_state())
        return {}

    def final_state(self) -> State:
        """The mean of the encoders of the last average_epochs epochs."""
        return self.mean.average(self.encoder_state())

    def state(self) -> dict[str, Any]:
        return {"averaged": self.mean.sums}

    def load_state(self, state: dict[str, Any]) -> None:
        self.mean.sums = {k: v.to(self.processes.device) for k, v in state["averaged"].items()}


def pretrain(
    make: Callable[[DinoSettings, Encoder, Views, Processes, Save], Pretraining],
    settings: DinoSettings,
    used: dict[str, Any],
    views: ViewSpecs,
    fbank_settings: FbankSettings,
    augment: AugmentSettings,
    data_dir: Path,
    initial_model: Path | None,
    options: TrainingOptions,
) -> None:
    """Pretrain an encoder and write model.pt.

    Args:
        make: gives the task, from the settings, the encoder to start from, the features, the processes, and save.
        settings: of conf/dino.yaml, with the epochs and the batch size of this training.
        used: those of them that determine the result, for the record.
        views: crops of each utterance.
        fbank_settings: of conf/fbank.yaml.
        augment: of conf/augment.yaml.
        data_dir: training data directory.
        initial_model: model.pt whose encoder the training starts from; None = random weights.
        options: where and how the training runs.
    """
    fbank = Fbank(fbank_settings)
    augmenter = open_augmenter(augment, options, fbank.sample_rate)
    crops = open_crops(settings.input, data_dir, fbank, augmenter, views, options.seed)
    record = {"dino": used, "fbank": fbank_settings, "augment": augment, "seed": options.seed}
    inputs = input_files(data_dir, settings.input, options, initial_model)
    stamp = Stamp(options.out_dir / "stamp.json", record, inputs, [options.out_dir / "model.pt"])

    def save(name: str, state: State) -> None:
        path = options.out_dir / name
        path.parent.mkdir(exist_ok=True)
        save_model(path, settings.encoder, fbank_settings, state, settings.input)

    def make_task(processes: Processes) -> Pretraining:
        encoder = build_encoder(settings.encoder, fbank.num_mel_bins)
        if initial_model:
            warm_start(encoder, initial_model, settings.encoder, fbank_settings)
        features = Views(fbank.to(processes.device), augmenter if settings.input == "wav" else None)
        return make(settings, encoder, features, processes, save)

    train(options, settings, stamp, options.seed, crops, make_task, save)


def pretrain_by_options(
    doc: str | None,
    start: Callable[[DinoSettings, FbankSettings, AugmentSettings, Path, Path | None, TrainingOptions], None],
) -> None:
    """The scripts of stage I: read the command line, and start the training.

    Args:
        doc: docstring of the script.
        start: called with the settings, DATA_DIR, the model to start from, and the options.
    """
    parser = console.parser(doc)
    add_settings_options(parser, "dino", "fbank", "augment")
    add_training_options(parser)
    parser.add_argument(
        "--initial-model", type=Path, metavar="MODEL", help="model.pt whose encoder to start from (default: random)"
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    start(
        settings_of(DinoSettings, args),
        settings_of(FbankSettings, args),
        settings_of(AugmentSettings, args),
        args.data_dir,
        args.initial_model,
        training_options(args),
    )
