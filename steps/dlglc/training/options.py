"""The command-line options that both trainers share."""

import argparse
import math
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from ..console import add_device_option


@dataclass(frozen=True)
class TrainingOptions:
    """How and where a training runs.

    Attributes:
        out_dir: directory of the run.
        noise: data directory of noise clips, or None.
        rirs: data directory of room impulse responses, or None. Without noise and rirs, crops are not augmented.
        seed: of weights, data order, crops and augmentation.
        device: auto, cpu or cuda.
        max_hours: the training stops with a checkpoint after this time; infinity = no limit.
        overwrite: discard a run in out_dir that has other settings.
        command: the command line, kept in out_dir/command.
    """

    out_dir: Path
    noise: Path | None
    rirs: Path | None
    seed: int
    device: str
    max_hours: float
    overwrite: bool
    command: str


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that both trainers share. The positional argument out_dir is the script's own."""
    parser.add_argument(
        "--noise", type=Path, metavar="DATA_DIR", help="noise clips; the second column of utt2spk names the kind"
    )
    parser.add_argument(
        "--rirs", type=Path, metavar="DATA_DIR",
        help="room impulse responses; without --noise and --rirs crops are not augmented",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of weights, data order, crops, augmentation (default: 0)")
    add_device_option(parser)
    parser.add_argument(
        "--max-hours", type=float, default=math.inf, metavar="H",
        help="stop with a checkpoint and exit status 1 after this time; the same command resumes the training",
    )  # fmt: skip
    parser.add_argument(
        "--overwrite", action="store_true", help="discard a run in OUT_DIR that was made with other settings"
    )


def training_options(args: argparse.Namespace) -> TrainingOptions:
    """The options of add_training_options, and out_dir, as the user gave them."""
    return TrainingOptions(
        out_dir=args.out_dir,
        noise=args.noise,
        rirs=args.rirs,
        seed=args.seed,
        device=args.device,
        max_hours=args.max_hours,
        overwrite=args.overwrite,
        command=shlex.join(sys.argv),
    )
