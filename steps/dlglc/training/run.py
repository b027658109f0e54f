"""What both trainers do around the loop: their options, the record of a run, and what is done already."""

import argparse
import math
import random
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

import torch

from ..console import log
from ..data.augment import Augmenter
from ..errors import RecipeError
from ..files import write_text
from ..provenance import Stamp, describe_code, describe_machine
from ..settings import Settings, save_settings
from ..settings.schema import AugmentSettings
from .distributed import Processes

RUN_FILES = ("model.pt", "checkpoint.pt", "metrics.jsonl")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """The options that both trainers share."""
    parser.add_argument("--noise", type=Path, metavar="DATA_DIR", help="noise clips; utt2spk's second column is a kind")
    parser.add_argument(
        "--rirs", type=Path, metavar="DATA_DIR", help="room impulse responses; no --noise and no --rirs = clean"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, data order, crops, augmentation (default: 0)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu or cuda (default: auto)")
    parser.add_argument(
        "--max-hours", type=float, default=math.inf, metavar="H",
        help="stop after a checkpoint once so long under way, with exit status 1; the same command goes on there",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="discard a run of other settings in OUT_DIR")


def open_augmenter(
    settings: AugmentSettings, noise: Path | None, rirs: Path | None, sample_rate: int
) -> Augmenter | None:
    """What augments crops of waveforms; None without noise and rooms."""
    return Augmenter(settings, noise, rirs, sample_rate) if noise or rirs else None


def run_inputs(args: argparse.Namespace, inputs: str, *more: Path | None) -> list[Path | None]:
    """The files that decide a training: the data directory's table, `more`, and the tables of noise and rooms."""
    table = args.data_dir / ("wav.scp" if inputs == "wav" else "feats.scp")
    return [table, *more, *(folder and folder / "wav.scp" for folder in (args.noise, args.rirs))]


def prepare_run(out_dir: Path, settings: Settings, stamp: Stamp, processes: Processes, overwrite: bool) -> bool:
    """Make OUT_DIR explain itself, and decide whether there is anything to do.

    Returns:
        False when a finished model of the very same settings stands there.

    Raises:
        RecipeError: a run of other settings stands there and overwrite is off.
    """
    finished = (out_dir / "model.pt").exists()
    if stamp.read() is not None and not stamp.matches():
        if not overwrite:
            raise RecipeError(
                f"{out_dir}: holds a run with other settings ({'; '.join(stamp.differences()[:4])}). "
                "Use another directory, or pass --overwrite to discard it"
            )
        finished = False
        if processes.first:
            discard(out_dir, RUN_FILES)
    processes.wait()
    if finished:
        what = "is finished with these settings: reused" if stamp.read() else "was put there, not trained there: kept"
        log.info("%s/model.pt %s", out_dir, what)
        return False
    if processes.first:
        out_dir.mkdir(parents=True, exist_ok=True)
        save_settings(settings, out_dir / "config.yaml")
        stamp.write()
        write_text(out_dir / "command", f"{shlex.join(sys.argv)}\n# {describe_code()} · {describe_machine()}\n")
    return True


def discard(out_dir: Path, names: Iterable[str]) -> None:
    """Take away the files of a run that is made anew."""
    for name in names:
        (out_dir / name).unlink(missing_ok=True)


def set_seed(seed: int) -> None:
    """Seed the initial weights; data and augmentation have generators of their own."""
    random.seed(seed)
    torch.manual_seed(seed)
