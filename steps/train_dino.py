#!/usr/bin/env python3
"""Stage I: DINO pretraining of a speaker encoder on unlabelled speech.

Reads   DATA_DIR/wav.scp (or feats.scp with input: feats), noise and impulse response directories.
Writes  OUT_DIR/{config.yaml, command, metrics.jsonl, checkpoint.pt, model.pt}; model.pt is the teacher, epochs/NN.pt
        that of epoch NN where keep_every asks for it.
        Resumes where it stopped; a finished run is left alone. With epochs=0 model.pt is the untrained encoder.

Example
    steps/train_dino.py --config conf/mini/dino.yaml --noise data/mini/noise --rirs data/mini/rirs \\
        data/mini/train exp/mini/dino
    torchrun --standalone --nproc_per_node=4 steps/train_dino.py data/voxceleb/train exp/voxceleb/dino
"""

from pathlib import Path

from dlglc import console
from dlglc.data.crops import open_crops
from dlglc.data.fbank import Fbank
from dlglc.data.views import Views
from dlglc.dino.task import Dino, State, warm_start
from dlglc.encoders import build_encoder
from dlglc.encoders.models import save_model
from dlglc.provenance import Stamp
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import AugmentSettings, DinoSettings, FbankSettings
from dlglc.training.distributed import Processes, explain_lost_process
from dlglc.training.run import add_training_options, open_augmenter, prepare_run, run_inputs, set_seed
from dlglc.training.trainer import Trainer


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "dino", "fbank", "augment")
    add_training_options(parser)
    parser.add_argument(
        "--initial-model", type=Path, metavar="MODEL", help="model.pt whose encoder to start from (default: random)"
    )
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("out_dir", type=Path)
    args = parser.parse_args()

    settings, augment = settings_of(DinoSettings, args), settings_of(AugmentSettings, args)
    fbank_settings = settings_of(FbankSettings, args)
    fbank = Fbank(fbank_settings)
    augmenter = open_augmenter(augment, args.noise, args.rirs, fbank.sample_rate)
    crops = open_crops(settings.input, args.data_dir, fbank, augmenter, views_of(settings), args.seed)
    record = {"dino": settings, "fbank": fbank_settings, "augment": augment, "seed": args.seed}
    stamp = Stamp(args.out_dir / "stamp.json", record, run_inputs(args, settings.input, args.initial_model))

    def save(name: str, state: State) -> None:
        (args.out_dir / name).parent.mkdir(exist_ok=True)
        save_model(args.out_dir / name, settings.encoder, fbank_settings, state, settings.input)

    processes = Processes(args.device)
    if prepare_run(args.out_dir, settings, stamp, processes, args.overwrite):
        set_seed(args.seed)
        encoder = build_encoder(settings.encoder, fbank.num_mel_bins)
        if args.initial_model:
            warm_start(encoder, args.initial_model, settings.encoder, fbank_settings)
        views = Views(fbank.to(processes.device), augmenter if settings.input == "wav" else None)
        task = Dino(settings, encoder, views, processes, save)
        with explain_lost_process(args.out_dir, processes):
            Trainer(task, crops, settings, args.out_dir, processes, args.max_hours).train()
        if processes.first:
            save("model.pt", task.final_state())
    processes.close()


def views_of(settings: DinoSettings) -> list[tuple[int, float]]:
    """Long and short crops of an utterance, and their seconds."""
    short = [(settings.short_crops, settings.short_seconds)] if settings.short_crops else []
    return [(settings.long_crops, settings.long_seconds), *short]


if __name__ == "__main__":
    console.run(main)
