#!/usr/bin/env python3
"""Describe a folder of audio, and estimate how long each stage will take on this machine.

The script reads the headers of a sample of the files, decodes some files, and measures a few updates of the networks.
The estimate is rough: within a factor of two on an idle machine.

Reads   CORPUS_DIR, a folder for local/prepare_folder.py; MODEL, where an encoder is adapted
Writes  nothing; the estimate goes to the terminal

Example
    steps/estimate_times.py --dino-config conf/folder/dino.yaml --dlglc-config conf/folder/dlglc.yaml ~/speech
"""

import argparse
import tempfile
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.folder import find_audio
from dlglc.encoders.onnx_file import open_encoder
from dlglc.errors import RecipeError
from dlglc.provenance import cores
from dlglc.reports.adaptation_estimate import estimate_adaptation, measure_adaptation
from dlglc.reports.estimate import estimate, in_words, look_at_files
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import DinoSettings, DlglcSettings, FbankSettings
from dlglc.training.distributed import Processes


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "dino", "dlglc", "fbank", "augment", "cluster", "backend")
    parser.add_argument("--dino-config", dest="config", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of DLG-LC training (default: 3)")
    parser.add_argument(
        "--start", type=Path, metavar="MODEL", help="model.pt of the encoder that is adapted (run.sh --from)"
    )
    parser.add_argument("--nj", default="auto", help="parallel jobs over utterances (default: one per core)")
    parser.add_argument(
        "--cut-above", type=float, default=20.0, help="seconds; longer recordings are cut (default: 20)"
    )
    parser.add_argument("corpus_dir", type=Path)
    args = parser.parse_args()

    found = find_audio(args.corpus_dir)
    files = [*found.files.values(), *found.strange.values()]
    if not files:
        raise RecipeError(f"{args.corpus_dir}: no audio files in this folder: check the path")
    with tempfile.TemporaryDirectory() as work:
        corpus = look_at_files(files, Path(work), args.cut_above)
    log.info("%d files, about %.1f hours, about %d utterances", corpus.files, corpus.hours, corpus.utterances)
    for kind, count in corpus.formats.most_common(8):
        log.info("  %4.1f %%  %s", 100 * count / max(1, sum(corpus.formats.values())), kind)
    if corpus.unreadable:
        log.info(
            "  the headers of %d files of the sample cannot be read; stage 1 lists all such files", corpus.unreadable
        )
    jobs = cores() if args.nj == "auto" else int(args.nj)
    rounds = settings_of(DlglcSettings, args)
    if args.start:
        work = measure_adaptation(open_encoder(args.start), rounds, Processes("auto"))
        stages = estimate_adaptation(corpus, work, rounds, args.rounds, jobs)
        if work.kept:
            log.info("  the output of the frozen parts takes about %.1f GB", work.kept * 3600 * corpus.hours / 1e9)
    else:
        dino, fbank = settings_of(DinoSettings, args), settings_of(FbankSettings, args)
        stages = estimate(corpus, dino, rounds, fbank, args.rounds, jobs)
    for stage, seconds in stages:
        log.info("  %s: about %s", stage, in_words(seconds))
    log.info("  all stages: about %s on this machine", in_words(sum(seconds for _, seconds in stages)))


if __name__ == "__main__":
    console.run(main)
