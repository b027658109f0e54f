#!/usr/bin/env python3
"""Several corpora trained together: every sub-folder of a folder is a corpus in Kaldi's form.

    prepare_pool.py corpus CORPUS_DIR            stage 0: see what is there
    prepare_pool.py data CORPUS_DIR OUT_DIR      stage 1: data directories

A sub-folder has wav.scp and utt2spk, or a folder train/ with them, and perhaps a folder eval/. Links will do: the
directories that local/prepare_<corpus>.py has written can be linked into one folder. A relative path in wav.scp starts
from the sub-folder.

Reads   CORPUS_DIR/<corpus>/[train/]{wav.scp, utt2spk or utt2spk.truth}
        CORPUS_DIR/<corpus>/eval/{wav.scp, utt2spk or utt2spk.truth, utt2sess, sess2book, spk2gender} of one corpus
Writes  OUT_DIR/train: wav.scp, utt2spk and spk2utt, in which every utterance is its own speaker, because training has
        no labels; and utt2spk.truth with the true speakers, for reports only. Ids begin with the name of the corpus.
        OUT_DIR/eval: the evaluation set of one corpus, as it is without a pool, with the trial lists of
        local/session_trials.py

Example
    ./run.sh --corpus pool --corpus-dir ~/corpora --prepare "--parts librispeech pansori --eval librispeech"
"""

import argparse
from pathlib import Path

from dlglc import console
from dlglc.console import log
from dlglc.errors import RecipeError
from session_trials import Speech
from speech_sets import read_set, write_evaluation_set, write_training_set


def main() -> None:
    parser = console.parser(__doc__)
    parser.add_argument("part", choices=["corpus", "data"])
    parser.add_argument("corpus_dir", type=Path)
    parser.add_argument("out_dir", type=Path, nargs="?")
    parser.add_argument("--parts", nargs="+", metavar="NAME", help="sub-folders to train on (default: all)")
    parser.add_argument(
        "--eval", metavar="NAME", help="sub-folder to evaluate on (default: the only one whose eval/ has utt2sess)"
    )
    args = parser.parse_args()
    parts = training_sets(args)
    evaluation = evaluation_set(args)
    if args.part == "corpus":
        log.info("%s: %s; evaluation: %s", args.corpus_dir, ", ".join(parts), evaluation or "none")
    elif args.out_dir is None:
        raise RecipeError("data: OUT_DIR is missing: prepare_pool.py data CORPUS_DIR OUT_DIR")
    else:
        write_training_set(args.out_dir / "train", together(parts, args.corpus_dir))
        if evaluation:
            base = args.corpus_dir / evaluation
            write_evaluation_set(args.out_dir / "eval", read_set(base / "eval", base))


def training_sets(args: argparse.Namespace) -> dict[str, Path]:
    """The directory with the training set of each corpus.

    Raises:
        RecipeError: a corpus that was asked for is not there, or there is none.
    """
    found = {}
    for folder in sorted(path for path in args.corpus_dir.glob("*") if path.is_dir()):
        place = next((place for place in (folder, folder / "train") if (place / "wav.scp").exists()), None)
        if place and folder.name in (args.parts or [folder.name]):
            found[folder.name] = place
    missing = [name for name in args.parts or [] if name not in found]
    if missing or not found:
        name = missing[0] if missing else "<corpus>"
        raise RecipeError(
            f"{args.corpus_dir}/{name}: no wav.scp there, and none in its train/: put data directories into "
            f"{args.corpus_dir}, or links to them"
        )
    return found


def evaluation_set(args: argparse.Namespace) -> str | None:
    """The name of the corpus to evaluate on; None if none has sessions.

    Raises:
        RecipeError: the corpus that was asked for has no evaluation set, or several have one.
    """
    found = [path.parts[-3] for path in sorted(args.corpus_dir.glob("*/eval/utt2sess"))]
    if args.eval:
        if args.eval not in found:
            raise RecipeError(f"{args.corpus_dir}/{args.eval}/eval/utt2sess: no such file: --eval needs sessions")
        return str(args.eval)
    if len(found) > 1:
        raise RecipeError(f"{args.corpus_dir}: {', '.join(found)} have an eval/ with sessions: choose one with --eval")
    return found[0] if found else None


def together(parts: dict[str, Path], corpus_dir: Path) -> Speech:
    """The training sets as one, without sessions."""
    wav: dict[str, str] = {}
    speakers: dict[str, str] = {}
    for name, folder in parts.items():
        speech = read_set(folder, corpus_dir / name)
        wav |= {f"{name}-{utt}": path for utt, path in speech.wav.items()}
        speakers |= {f"{name}-{utt}": f"{name}-{speaker}" for utt, speaker in speech.speakers.items()}
        log.info("%s: %d utterances, %d speakers", name, len(speech.wav), len(set(speech.speakers.values())))
    return Speech(wav, speakers, {}, {}, {})


if __name__ == "__main__":
    console.run(main)
