#!/usr/bin/env python3
"""Say what a folder of audio holds, and how long the stages will take with it on this machine, before they start.

The headers of a sample of the files are read, some files are decoded, and a few updates of the real networks are timed.
The figures are rough: within a factor of two on an idle machine.

Reads   CORPUS_DIR, as local/prepare_folder.py takes it
Writes  nothing; lines to the terminal

Example
    steps/estimate_times.py --dino-config conf/folder/dino.yaml --dlglc-config conf/folder/dlglc.yaml ~/speech
"""

import argparse
import tempfile
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.folder import find_audio
from dlglc.errors import RecipeError
from dlglc.reports.estimate import cores, estimate, in_words, look_at_files
from dlglc.settings import add_settings_options, settings_of
from dlglc.settings.schema import DinoSettings, DlglcSettings, FbankSettings


def main() -> None:
    parser = console.parser(__doc__)
    add_settings_options(parser, "dino", "dlglc", "fbank", "augment", "cluster", "backend")
    parser.add_argument("--dino-config", dest="config", help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=3, help="of DLG-LC training (default: 3)")
    parser.add_argument("--nj", default="auto", help="parallel jobs over utterances (default: one per core)")
    parser.add_argument(
        "--cut-above", type=float, default=20.0, help="seconds; longer recordings are cut (default: 20)"
    )
    parser.add_argument("corpus_dir", type=Path)
    args = parser.parse_args()

    files = list(find_audio(args.corpus_dir).files.values())
    if not files:
        raise RecipeError(f"{args.corpus_dir}: no audio in it")
    with tempfile.TemporaryDirectory() as work:
        corpus = look_at_files(files, Path(work), args.cut_above)
    log.info("%d files, about %.1f hours, about %d utterances", corpus.files, corpus.hours, corpus.utterances)
    for kind, count in corpus.formats.most_common(8):
        log.info("  %4.1f %%  %s", 100 * count / max(1, sum(corpus.formats.values())), kind)
    if corpus.unreadable:
        log.info(
            "  %d of the files looked at have no header that can be read; stage 1 names all of them", corpus.unreadable
        )
    jobs = cores() if args.nj == "auto" else int(args.nj)
    stages = estimate(
        corpus, settings_of(DinoSettings, args), settings_of(DlglcSettings, args), settings_of(FbankSettings, args),
        args.rounds, jobs,
    )  # fmt: skip
    for stage, seconds in stages:
        log.info("  %s: about %s", stage, in_words(seconds))
    log.info("  all stages: about %s on this machine", in_words(sum(seconds for _, seconds in stages)))


if __name__ == "__main__":
    console.run(main)
