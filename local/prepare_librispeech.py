#!/usr/bin/env python3
"""LibriSpeech (OpenSLR 12 and 31): audio books, read by volunteers at home, on several days; 16 kHz, CC BY 4.0.

    prepare_librispeech.py corpus CORPUS_DIR            stage 0: download the parts that are missing, and unpack them
    prepare_librispeech.py data CORPUS_DIR OUT_DIR      stage 1: data directories

A chapter is a session. A reader's chapters were often recorded on different days, and with different microphones. So
this corpus shows whether a system knows a voice or a recording. The chapters of one book are often of one set-up.
Trials across books are the strictest ones.

By default, train-clean-100 (251 readers, 6.3 GB) is for training, dev-clean and test-clean (40 readers each, 0.7 GB)
are for evaluation. The parts must have different readers. dev-clean-2 is a part of dev-clean, and train-clean-5 of
train-clean-100.

Reads   CORPUS_DIR: <part>.tar.gz, or unpacked parts with SPEAKERS.TXT and CHAPTERS.TXT beside them, at most three
        folders deep; or a copy in Kaldi's form: train/ and eval/ with wav.scp, utt2spk, utt2sess, sess2book and
        spk2gender.
Writes  stage 0: CORPUS_DIR/<part>.tar.gz, CORPUS_DIR/<part>/
        OUT_DIR/{train,eval}: wav.scp, utt2spk and spk2utt, in which every utterance is its own speaker, because
        training has no labels; and utt2spk.truth with the true speakers, for reports only.
        OUT_DIR/eval: at most 10 utterances of each chapter, utt2sess (speaker-chapter), sess2book, and the trial lists
        of local/session_trials.py: trials (across sessions), trials_within, trials_books. The nontarget trials are of
        readers of the same sex.
        OUT_DIR/eval/{trials_final, trials_final_within, trials_final_books}: the same for the other half of the
        readers. run.sh scores them with --final true only. Do that once, when nothing more is chosen.

Example
    local/prepare_librispeech.py corpus /corpora/librispeech --train train-clean-5 --eval dev-clean
    ./run.sh --corpus librispeech --corpus-dir /corpora/librispeech --prepare "--train train-clean-5 --eval dev-clean"
"""

import argparse
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.data.download import fetch, unpack
from dlglc.errors import RecipeError
from librispeech import PARTS, archive_of, find_part, read_parts
from openslr import urls
from session_trials import Speech
from speech_sets import read_set, write_evaluation_set, write_training_set


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("part", choices=["corpus", "data"])
    parser.add_argument("corpus_dir", type=Path)
    parser.add_argument("out_dir", type=Path, nargs="?")
    parser.add_argument("--train", nargs="+", choices=PARTS, metavar="PART", default=["train-clean-100"])
    parser.add_argument("--eval", nargs="+", choices=PARTS, metavar="PART", default=["dev-clean", "test-clean"])
    parser.add_argument("--url", action="append", help="mirror with 12/ and 31/ (default: OpenSLR and its mirrors)")
    parser.add_argument(
        "--md5", nargs="+", metavar="PART=MD5", default=[], help="checksums to take instead of the published ones"
    )
    args = parser.parse_args()
    copied = (args.corpus_dir / "train/wav.scp").exists()
    if args.part == "corpus":
        for name in [] if copied else [*args.train, *args.eval]:
            get_part(args, name)
        log.info("%s: corpus is there", args.corpus_dir)
        return
    if args.out_dir is None:
        raise RecipeError("data: OUT_DIR is missing: prepare_librispeech.py data CORPUS_DIR OUT_DIR")
    if copied:
        training, evaluation = (read_set(args.corpus_dir / name, args.corpus_dir) for name in ("train", "eval"))
    else:
        training, evaluation = (read_parts([unpacked(args, n) for n in names]) for names in (args.train, args.eval))
    check_readers(training, evaluation)
    write_training_set(args.out_dir / "train", training)
    write_evaluation_set(args.out_dir / "eval", evaluation)


def get_part(args: argparse.Namespace, part: str) -> None:
    """Stage 0: download and unpack a part, unless it is there."""
    if find_part(args.corpus_dir, part):
        return
    archive = args.corpus_dir / f"{part}.tar.gz"
    digests = dict(word.split("=", 1) for word in args.md5)
    mirrors = [f"{url}/{archive_of(part)}" for url in args.url] if args.url else urls(archive_of(part))
    fetch(mirrors, archive, digests.get(part, PARTS[part][1]))
    unpack(archive, args.corpus_dir / part, strip=1)


def unpacked(args: argparse.Namespace, part: str) -> Path:
    """The folder of a part.

    Raises:
        RecipeError: it is not there.
    """
    folder = find_part(args.corpus_dir, part)
    if folder is None:
        raise RecipeError(
            f"{args.corpus_dir}: no {part}/ with SPEAKER/CHAPTER folders: run stage 0, which downloads it, or name the "
            "parts that you have with --train and --eval"
        )
    return folder


def check_readers(training: Speech, evaluation: Speech) -> None:
    """Readers of the evaluation must not be trained on.

    Raises:
        RecipeError: a reader is in both sets.
    """
    both = sorted(set(training.speakers.values()) & set(evaluation.speakers.values()))
    if both:
        raise RecipeError(
            f"{len(both)} readers are in both sets, e.g. {both[0]}: the evaluation needs readers that no training has "
            "heard. Choose other parts with --train and --eval"
        )


if __name__ == "__main__":
    console.run(main)
